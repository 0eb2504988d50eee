import { z } from "zod";
import { StepFailure } from "../../base/errors.ts";
import { describeIssues, parseForeign } from "../../wire/issues.ts";

export interface SpecOwner {
  readonly name: string;
  readonly ownsResources?: boolean | undefined;
}

/**
 * Returns the driver's input, checked: the whole `spec` of its own resource types, otherwise
 * `spec.drivers.<name>` (default `{}`). Throws StepFailure `invalid-spec`, with one line per problem.
 */
export function readSpec<Spec>(
  schema: z.ZodType<Spec>,
  { name, ownsResources = false }: SpecOwner,
  spec: unknown,
): Spec {
  const input = ownsResources ? spec : partOf(spec, name);
  const parsed = parseForeign(schema, input);
  if (parsed.success) return parsed.data;
  const place = ownsResources ? "spec" : `spec.drivers.${name}`;
  throw new StepFailure(describeIssues(parsed.error, input, place), { reason: "invalid-spec" });
}

/** Returns the JSON Schema of that input, as a person writes it (before defaults are applied). */
export const schemaOf = (schema: z.ZodType): Record<string, unknown> => ({
  ...z.toJSONSchema(schema, { io: "input" }),
});

function partOf(spec: unknown, name: string): unknown {
  const drivers = member(spec, "drivers");
  return member(drivers, name) ?? {};
}

const member = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? Reflect.get(value, key)
    : undefined;
