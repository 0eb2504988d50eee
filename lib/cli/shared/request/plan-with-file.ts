import { InputError } from "../../../base/errors.ts";
import { type Allowed, type Plan, planBuild, PlanError } from "../../../build/plan.ts";
import { BuildSpec, parseBuildSpec } from "../../../build/spec.ts";
import type { Driver } from "../../../driver/driver.ts";
import { issuesOf, type Problem, type SourceOf, valueAt } from "../../../wire/issues.ts";
import type { Pipeline } from "../../../wire/resource.ts";
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
  const located = (problems: readonly Problem[]) => refusalOf(problems, file, spec);
  const parsed = parseBuildSpec(spec);
  if (!parsed.success) {
    throw located(issuesOf(parsed.error, spec, "spec", { sourceOf: sourcesIn(file), schema: BuildSpec }));
  }
  try {
    return planBuild(spec, allowed);
  } catch (error) {
    throw error instanceof PlanError ? located(error.problems) : error;
  }
}

/**
 * Throws InputError where the spec does not have what drivers of one's own are told in it. Only those that
 * have a step are asked.
 */
export function checkOwnSpecs(
  file: ResourceFile | undefined,
  spec: Record<string, unknown>,
  own: readonly Driver[],
  { steps }: Pipeline,
): void {
  const used = own.filter(({ name }) => steps.some(({ driver }) => driver === name));
  const problems = used.flatMap((driver) => {
    try {
      return driver.problemsIn?.(spec, file && sourcesIn(file)) ?? [];
    } catch {
      // A schema that throws is the driver's defect, which its step reports.
      return [];
    }
  });
  if (problems.length > 0) throw refusalOf(problems, file, spec);
}

const sourcesIn = (file: ResourceFile): SourceOf => (path, value) => file.sourceOf(["spec", ...path], value);

const refusalOf = (
  problems: readonly Problem[],
  file: ResourceFile | undefined,
  spec: Record<string, unknown>,
): InputError =>
  new InputError(
    problems.map((problem) => file ? file.locate(inFile(problem), valueAt(spec, problem.path)) : problem.text)
      .join("\n"),
  );

const inFile = ({ path, ...rest }: Problem): Problem => ({ ...rest, path: ["spec", ...path] });
