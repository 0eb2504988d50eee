import { InputError } from "../../../base/errors.ts";
import { type Allowed, type Plan, planBuild, PlanError } from "../../../build/plan.ts";
import { BuildSpec, parseBuildSpec } from "../../../build/spec.ts";
import { issuesOf, type Problem, type SourceOf } from "../../../wire/issues.ts";
import type { ResourceFile } from "./resource-file.ts";

/**
 * Returns the plan. Reports problems of a file with their place, and with the values as written there: its
 * author wrote `1.10`, not 1.1.
 */
export function planWith(
  file: ResourceFile | undefined,
  spec: Record<string, unknown>,
  allowed: Allowed,
): Plan {
  if (!file) return planBuild(spec, allowed);
  const located = (problems: readonly Problem[]) =>
    new InputError(
      problems.map((problem) => file.locate(inFile(problem), valueAt(spec, problem.path))).join("\n"),
    );
  const parsed = parseBuildSpec(spec);
  if (!parsed.success) {
    const sourceOf: SourceOf = (path, value) => file.sourceOf(["spec", ...path], value);
    throw located(issuesOf(parsed.error, spec, "spec", { sourceOf, schema: BuildSpec }));
  }
  try {
    return planBuild(spec, allowed);
  } catch (error) {
    throw error instanceof PlanError ? located(error.problems) : error;
  }
}

const inFile = ({ path, ...rest }: Problem): Problem => ({ ...rest, path: ["spec", ...path] });

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined,
    value,
  );
}
