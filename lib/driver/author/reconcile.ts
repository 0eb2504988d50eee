import { StepFailure } from "../../base/errors.ts";
import { delay } from "../../base/signals.ts";
import type { DriverResult } from "../../wire/resource.ts";
import type { Context } from "../driver.ts";
import { isAgain } from "./again.ts";
import type { AuthorContext, DriverDefinition, StepResult } from "./definition.ts";
import { runContainer } from "./run-container.ts";
import { readSpec } from "./spec.ts";

/**
 * Runs a step as its author has defined it: checks the input, and calls `reconcile` again as often as it
 * returns `again(…)`.
 */
export async function reconcileAsDefined<Spec, Own extends string, Contained extends boolean, Policy>(
  definition: DriverDefinition<Spec, Own, Contained, Policy>,
  context: Context<Policy>,
): Promise<DriverResult> {
  const spec = definition.spec && readSpec(definition.spec, definition, context.resource.spec);
  const container = definition.container ? runContainer(context) : undefined;
  let { progress } = context;
  for (;;) {
    const given = { ...context, spec, container, progress, fail } as AuthorContext<
      Spec,
      Own,
      Contained,
      Policy
    >;
    const answer = await definition.reconcile(given);
    if (!isAgain(answer)) return resultOf(answer);
    await context.log.line(`${answer.why}; trying again in ${answer.after}`);
    if (answer.progress !== undefined || progress !== undefined) await context.keepProgress(answer.progress);
    await delay(answer.afterMs, { signal: context.signal });
    progress = answer.progress;
  }
}

function fail(reason: string, message: string, data: Record<string, unknown> = {}): never {
  throw new StepFailure(message, { reason, data });
}

/**
 * Returns the result in wire form, with the reason inside `data`. An invalid result is returned unchanged;
 * the sender reports it.
 */
function resultOf(answer: StepResult<string>): DriverResult {
  if (typeof answer !== "object" || answer === null || answer.reason === undefined) return answer;
  const { reason, data, ...result } = answer;
  const facts = typeof data === "object" && data !== null ? data : data === undefined ? {} : { value: data };
  return { ...result, data: { ...facts, reason } };
}
