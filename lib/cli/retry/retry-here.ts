import { Command } from "@commander-js/extra-typings";
import { InputError } from "../../base/errors.ts";
import { BUILD_DRIVERS } from "../../build/pipeline.ts";
import { FLUTTER_BUILDER } from "../../build/spec.ts";
import type { RunView, StepView } from "../../engine/core/run-view.ts";
import type { PipelineStep } from "../../wire/resource.ts";
import { CA_FLAG } from "../../build/authorities/flag.ts";
import { GIT_ACCESS } from "../../build/git/git-access.ts";
import { SIGNATURES_FLAG } from "../../build/signatures/flag.ts";
import { flagsOf } from "../../driver/program/policy-flags.ts";
import { run } from "../run/run.ts";
import { withRunFlags } from "../run/run-flags.ts";
import type { Drivers } from "../shared/drivers.ts";
import type { RetryOptions } from "./retry-flags.ts";

/** Repeats a run of this machine in this process. Returns the exit code. Throws as `run` does. */
export async function retryHere(
  { id, resource, spec, pipeline, steps }: RunView,
  { options, drivers }: { options: RetryOptions; drivers: Drivers },
): Promise<number> {
  if (resource.type !== FLUTTER_BUILDER || typeof spec !== "object" || spec === null) {
    throw new InputError(`Cannot do run "${id}" again here: expected one of the type ${FLUTTER_BUILDER}`);
  }
  const others = steps.map(({ driver }) => driver).filter((driver) => !BUILD_DRIVERS.includes(driver));
  if (others.length > 0) {
    throw new InputError(
      `Cannot do run "${id}" again here: It had steps of ${
        others.join(", ")
      }, which are not known here: expected "flutter-ci run --driver …" with the same words as before`,
    );
  }
  const { docker, data, output, json, quiet, logLevel, logFormat, gitToken } = options;
  const flags = withRunFlags(new Command().argument("[repository]").argument("[command...]")).opts();
  return await run({
    operands: { repository: undefined, command: [] },
    options: {
      ...flags,
      output,
      logLevel,
      logFormat,
      ...docker !== undefined && { docker },
      ...data !== undefined && { data },
      ...json !== undefined && { json },
      ...quiet !== undefined && { quiet },
      ...gitToken !== undefined && { gitToken },
      ...flagsOf(GIT_ACCESS, options),
      ...flagsOf(CA_FLAG, options),
      ...flagsOf(SIGNATURES_FLAG, options),
    },
    drivers,
    again: {
      run: id,
      name: resource.name,
      spec: spec as Record<string, unknown>,
      pipeline: { name: pipeline, resource: resource.type, steps: steps.map(stepOf) },
    },
  });
}

/** Returns a step as it was asked for. */
const stepOf = ({ id, driver, always, anywhere, timeoutSeconds }: StepView): PipelineStep => ({
  id,
  name: id,
  driver,
  always,
  ...anywhere !== undefined && { anywhere },
  ...timeoutSeconds !== undefined && { timeout: timeoutSeconds * 1000 },
});
