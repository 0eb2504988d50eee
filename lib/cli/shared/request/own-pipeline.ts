import { extname } from "node:path";
import { z } from "zod";
import { InputError, messageOf } from "../../../base/errors.ts";
import { parseDuration } from "../../../base/units.ts";
import { BUILD_DRIVERS, BUILD_PIPELINE } from "../../../build/pipeline.ts";
import { FLUTTER_BUILDER } from "../../../build/spec.ts";
import type { Driver } from "../../../driver/driver.ts";
import { type Pipeline, type PipelineStep, token } from "../../../wire/resource.ts";

export const durationText = z.string().transform((text, context) => {
  try {
    return parseDuration(text);
  } catch (error) {
    context.addIssue({ code: "custom", message: messageOf(error) });
    return z.NEVER;
  }
});

/** A step in a file of a build. Its id defaults to its driver's name. */
export const FileStep = z.strictObject({
  driver: token,
  id: token.optional(),
  name: z.string().optional(),
  always: z.boolean().optional(),
  anywhere: z.boolean().optional(),
  timeout: durationText.optional(),
});

/**
 * `pipeline` of a resource's file: a list of steps, or the name of a pipeline that the control plane stores.
 */
export const FilePipeline = z.union([
  z.string().regex(/\S/, "expected a list of steps, or the name of a pipeline"),
  z.array(FileStep).min(1, "expected at least one step"),
]);
export type FilePipeline = z.infer<typeof FilePipeline>;

/** What has a slash, or ends like a file of YAML or JSON, is a file: no pipeline has such a name. */
export const namesFile = (named: string): boolean =>
  named === "-" || named.includes("/") || [".yaml", ".yml", ".json"].includes(extname(named));

const STOP = "container-stop";

/**
 * Returns the pipeline of a build: the file's, otherwise the four drivers' with further drivers before
 * container-stop. `isHere`: all drivers run in this process, so a step of an unknown driver is refused
 * immediately. Throws InputError.
 */
export function pipelineOf(
  inFile: FilePipeline | undefined,
  own: readonly Driver[],
  { isHere }: { isHere: boolean },
): Pipeline {
  for (const driver of own) checkDriver(driver);
  const steps = Array.isArray(inFile) ? inFile.map(stepOf) : undefined;
  if (!steps && own.length === 0) return BUILD_PIPELINE;
  const all = steps?.map((step) => withPlace(step, own)) ?? withOwn(own);
  if (isHere) checkServed(all, own);
  return ownPipeline(all);
}

/**
 * Returns why a file's `pipeline` cannot be a name, or undefined if it can. `isHere`: as for `pipelineOf`.
 */
export function whyNoName(
  inFile: FilePipeline | undefined,
  { isHere }: { isHere: boolean },
): string | undefined {
  if (typeof inFile !== "string" || inFile === BUILD_PIPELINE.name) return undefined;
  if (namesFile(inFile)) {
    return `pipeline: A file cannot name another one, "${inFile}": expected a list of steps`;
  }
  return isHere
    ? `pipeline: No pipeline "${inFile}" is stored here: expected a list of steps, or "${BUILD_PIPELINE.name}"; ` +
      `"flutter-ci submit" takes the name of a pipeline that its control plane stores`
    : undefined;
}

export const stepOf = ({ id, name, ...step }: z.infer<typeof FileStep>): PipelineStep => ({
  ...step,
  id: id ?? step.driver,
  name: name ?? step.driver,
});

/** Returns the pipeline of a build that has these steps. */
export const ownPipeline = (steps: PipelineStep[]): Pipeline => ({
  name: `${FLUTTER_BUILDER}-own`,
  resource: FLUTTER_BUILDER,
  steps,
});

/** Marks the step `anywhere` if its driver does not use Docker, unless the step sets that itself. */
function withPlace(step: PipelineStep, own: readonly Driver[]): PipelineStep {
  const driver = own.find(({ name }) => name === step.driver);
  return { ...driver?.usesDocker === false && { anywhere: true }, ...step };
}

function withOwn(own: readonly Driver[]): PipelineStep[] {
  const steps = own.map(({ name }) => withPlace({ id: name, name, driver: name }, own));
  return BUILD_PIPELINE.steps.flatMap((step) => step.driver === STOP ? [...steps, step] : [step]);
}

function checkDriver({ name, resources }: Driver): void {
  if (BUILD_DRIVERS.includes(name)) {
    throw new InputError(`--driver: "${name}" is a driver of every build: expected another name`);
  }
  if (resources.includes(FLUTTER_BUILDER)) return;
  const handled = resources.map((type) => `"${type}"`).join(", ");
  throw new InputError(`--driver: "${name}" handles ${handled}: expected "${FLUTTER_BUILDER}" among them`);
}

function checkServed(steps: readonly PipelineStep[], own: readonly Driver[]): void {
  const known = [...BUILD_DRIVERS, ...own.map(({ name }) => name)];
  const problems = steps.flatMap(({ driver }, i) =>
    known.includes(driver) ? [] : [
      `pipeline.${i}.driver: No driver "${driver}" is here: expected ${
        known.join(", ")
      }, or its file with --driver`,
    ]
  );
  if (problems.length > 0) throw new InputError(problems.join("\n"));
}
