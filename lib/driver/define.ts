import { InputError } from "../base/errors.ts";
import { token } from "../wire/resource.ts";
import type { DriverDefinition } from "./author/definition.ts";
import { reconcileAsDefined } from "./author/reconcile.ts";
import { schemaOf, specProblems } from "./author/spec.ts";
import type { Driver } from "./driver.ts";

/**
 * Makes a driver from its definition. Throws InputError on a name, resource type or reason that is not a
 * token (letters, digits, `-` and `_`): they become parts of subjects and consumer names.
 */
export function defineDriver<
  Spec = unknown,
  const Own extends string = never,
  Contained extends boolean = false,
  Policy = unknown,
>(
  definition: DriverDefinition<Spec, Own, Contained, Policy>,
): Driver<Policy> {
  checkNames(definition);
  for (const reason of definition.reasons ?? []) checkToken("reason", reason);
  const { spec, ownsResources, container: _container, reasons: _reasons, ...rest } = definition;
  return {
    ...rest,
    ...spec && {
      ...ownsResources ? { schema: () => schemaOf(spec) } : { part: () => schemaOf(spec) },
      problemsIn: (input, sourceOf) => specProblems(spec, definition, input, sourceOf),
    },
    ...definition.schema && { schema: definition.schema },
    reconcile: (context) => reconcileAsDefined(definition, context),
  };
}

/**
 * Throws InputError if the driver's name or a resource type is not a token, or if there are no resource types
 * or duplicates.
 */
export function checkNames({ name, resources }: Pick<Driver, "name" | "resources">): void {
  checkToken("driver name", name);
  if (resources.length === 0) {
    throw new InputError(`Driver "${name}" handles nothing: expected at least one resource type`);
  }
  for (const resource of resources) checkToken("resource type", resource);
  const twice = resources.find((resource, i) => resources.indexOf(resource) !== i);
  if (twice !== undefined) {
    throw new InputError(`Driver "${name}" names resource type "${twice}" twice: expected each once`);
  }
}

function checkToken(what: string, name: string): void {
  const checked = token.safeParse(name);
  if (checked.success) return;
  throw new InputError(`Invalid ${what} "${name}": ${checked.error.issues[0]?.message}`);
}
