import { parseJson } from "../../base/json.ts";
import { z } from "zod";
import { Retryable } from "../../base/errors.ts";
import type { Transport } from "../../backend/transport.ts";
import type { Run, StepState } from "../../wire/run.ts";
import { subjects } from "../../wire/subjects.ts";
import { hostOf } from "../core/steps.ts";

/** When a run's log says why a step is unclaimed, milliseconds after its dispatch. */
const SAY_AFTER_MS = [1000, 5000, 30_000];
const ANSWER_MS = 1000;
/** Maximum length of an answer, characters. */
const MOST_ANSWERED = 64 * 1024;

/** Returns when to check next why nobody has claimed a step; Infinity for never. */
export function nextSaying({ status, dispatchedAt }: StepState, now: number): number {
  if (status !== "dispatched" || dispatchedAt === undefined) return Infinity;
  const after = SAY_AFTER_MS.find((ms) => dispatchedAt + ms > now);
  return after === undefined ? Infinity : dispatchedAt + after;
}

const RoomReply = z.object({ why: z.string().max(1000).optional() });

/**
 * Returns why no driver takes the open step, as a line for the run's log: an instance of its driver reports
 * that it has no room, or no instance takes such events. Undefined if the reason is unknown.
 */
export async function whyUnclaimed(
  transport: Transport,
  run: Run,
  step: StepState,
): Promise<string | undefined> {
  const { id, driver } = step;
  const why = await roomOf(transport, driver);
  if (why !== undefined) return why;
  const [host, type] = [hostOf(run, step), run.resource.resource];
  if (host === undefined) {
    const isIdle = await transport.demand(subjects.step(driver, type)) === "idle";
    return isIdle ? `Waiting for driver "${driver}": no instance takes events` : undefined;
  }
  if (await transport.demand(subjects.stepOnHost(driver, host, type)) !== "idle") return undefined;
  return `Waiting for driver "${driver}" on host "${host}": no instance takes events there. If the driver needs nothing of ` +
    `that host, mark step "${id}" of the pipeline with anywhere: true`;
}

async function roomOf(transport: Transport, driver: string): Promise<string | undefined> {
  try {
    const answer = await transport.request(subjects.room(driver), "", { timeoutMs: ANSWER_MS });
    return RoomReply.parse(parseJson(new TextDecoder().decode(answer), { maxLength: MOST_ANSWERED })).why;
  } catch (error) {
    if (error instanceof Retryable) return undefined;
    throw error;
  }
}
