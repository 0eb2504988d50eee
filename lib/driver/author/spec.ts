import { z } from "zod";
import { StepFailure } from "../../base/errors.ts";
import { issuesOf, parseForeign, type Problem, type SourceOf } from "../../wire/issues.ts";

export interface SpecOwner {
  readonly name: string;
  readonly ownsResources?: boolean | undefined;
}

/**
 * Returns the driver's input, checked: the whole `spec` of its own resource types, otherwise
 * `spec.drivers.<name>` (default `{}`). Throws StepFailure `invalid-spec`, with one line per problem.
 */
export function readSpec<Spec>(schema: z.ZodType<Spec>, owner: SpecOwner, spec: unknown): Spec {
  const parsed = parseForeign(schema, inputOf(owner, spec));
  if (parsed.success) return parsed.data;
  const text = problemsOf(parsed.error, schema, owner, spec).map((problem) => problem.text).join("\n");
  throw new StepFailure(text, { reason: "invalid-spec" });
}

/** Returns what is wrong with that input, with paths from the root of `spec`. */
export function specProblems(
  schema: z.ZodType,
  owner: SpecOwner,
  spec: unknown,
  sourceOf?: SourceOf,
): Problem[] {
  const parsed = parseForeign(schema, inputOf(owner, spec));
  return parsed.success ? [] : problemsOf(parsed.error, schema, owner, spec, sourceOf);
}

function problemsOf(
  error: z.ZodError,
  schema: z.ZodType,
  owner: SpecOwner,
  spec: unknown,
  sourceOf: SourceOf = () => undefined,
): Problem[] {
  const place = owner.ownsResources ? [] : ["drivers", owner.name];
  const problems = issuesOf(error, inputOf(owner, spec), ["spec", ...place].join("."), {
    sourceOf: (path, value) => sourceOf([...place, ...path], value),
    schema,
  });
  return problems.map((problem) => ({ ...problem, path: [...place, ...problem.path] }));
}

/** Returns the JSON Schema of that input, as a person writes it (before defaults are applied). */
export const schemaOf = (schema: z.ZodType): Record<string, unknown> => ({
  ...z.toJSONSchema(schema, { io: "input" }),
});

function inputOf({ name, ownsResources = false }: SpecOwner, spec: unknown): unknown {
  return ownsResources ? spec : member(member(spec, "drivers"), name) ?? {};
}

const member = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? Reflect.get(value, key)
    : undefined;
