import { z } from "zod";
import { Retryable } from "../base/errors.ts";
import type { Transport } from "../backend/transport.ts";
import type { StepState } from "../wire/run.ts";
import { subjects } from "../wire/subjects.ts";

/** How long a step may be unclaimed before its run's log says why, and then again, milliseconds after it was handed out. */
const SAY_AFTER_MS = [1000, 5000, 30_000];
const ANSWER_MS = 1000;

/** When next to look why nobody has claimed a step; Infinity for never. */
export function nextSaying({ status, dispatchedAt }: StepState, now: number): number {
  if (status !== "dispatched" || dispatchedAt === undefined) return Infinity;
  const after = SAY_AFTER_MS.find((ms) => dispatchedAt + ms > now);
  return after === undefined ? Infinity : dispatchedAt + after;
}

const RoomReply = z.object({ why: z.string().max(1000).optional() });

/** Why nobody takes the driver's steps just now, in words for a run's log: one of its instances says it has no room. */
export async function whyUnclaimed(transport: Transport, driver: string): Promise<string | undefined> {
  try {
    const answer = await transport.request(subjects.room(driver), "", { timeoutMs: ANSWER_MS });
    return RoomReply.parse(JSON.parse(new TextDecoder().decode(answer))).why;
  } catch (error) {
    if (error instanceof Retryable) return undefined;
    throw error;
  }
}
