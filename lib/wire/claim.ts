import { Buffer } from "node:buffer";
import { z } from "zod";
import { mac } from "./signature.ts";

/** The most bytes of a step's progress as JSON. */
export const MAX_PROGRESS = 16 * 1024;

/** Sent on `runs.<run>.claim.<driver>` before `reconcile`, and again to renew the lease. */
export const ClaimRequest = z.object({
  step: z.string(),
  /** The event's message id: distinguishes the dispatches of a step. */
  event: z.string(),
  /** Number of deliveries of this event, from 1. */
  delivery: z.int().min(1),
  /** Id of the claiming process; new for every start of a driver. */
  instance: z.string(),
  /** The Docker host of this instance. */
  host: z.string(),
  /** On a renewal: the attempt that was granted. */
  attempt: z.int().min(1).optional(),
  /**
   * With `attempt`: this attempt ends without a result (its event is returned), so the next one may be
   * granted at once. The answer is irrelevant. Without it, the next attempt is granted only after this one
   * has been silent for a while.
   */
  letsGo: z.boolean().optional(),
  /** Without `attempt`: SHA-256 of the event's body, so that the engine can detect a forged event. */
  digest: z.string().optional(),
  /** With `attempt`: identifies this request; `proof` shows that the sender has the attempt's key. */
  nonce: z.string().optional(),
  proof: z.string().optional(),
  /** With `attempt`: JSON that the step's later attempts get, and the proof that the sender has the key. */
  progress: z.string().refine(
    (text) => Buffer.byteLength(text) <= MAX_PROGRESS,
    `expected ${MAX_PROGRESS} bytes at most`,
  ).optional(),
  progressProof: z.string().optional(),
});
export type ClaimRequest = z.infer<typeof ClaimRequest>;

/** The right to work on a step as this attempt. */
export interface Go {
  answer: "go";
  attempt: number;
  /** Number of this attempt since the run's last fresh start; `attempt` counts on across fresh starts. */
  tries?: number | undefined;
  /** Milliseconds from this answer, since clocks may differ. */
  remainingMs?: number | undefined;
  secrets?: Record<string, string> | undefined;
  /** Key that signs results, log batches and renewals of this attempt. */
  key?: string | undefined;
  /** What an earlier attempt has left as its progress. */
  progress?: string | undefined;
  /**
   * To a fresh claim: the step's place in the run's trace (W3C Trace Context), if its engine sends traces.
   */
  traceparent?: string | undefined;
  mac?: string | undefined;
}

/**
 * `go`: work as this attempt. `done`: a result is recorded; ack and do nothing. `stop`: the run or the
 * attempt has ended (`reason` is one of the closed set); ack and do nothing. `wait`: another attempt is
 * alive; ask again later.
 */
export type ClaimReply =
  | Go
  | { answer: "done"; mac?: string | undefined }
  | { answer: "stop"; reason: string; mac?: string | undefined }
  | { answer: "wait"; retryMs: number; mac?: string | undefined };
export const ClaimReply: z.ZodType<ClaimReply> = z.discriminatedUnion("answer", [
  z.object({
    answer: z.literal("go"),
    attempt: z.int().min(1),
    tries: z.int().min(1).optional(),
    remainingMs: z.number().optional(),
    secrets: z.record(z.string(), z.string()).optional(),
    key: z.string().optional(),
    progress: z.string().optional(),
    traceparent: z.string().regex(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/).optional().catch(undefined),
    mac: z.string().optional(),
  }),
  z.object({ answer: z.literal("done"), mac: z.string().optional() }),
  z.object({ answer: z.literal("stop"), reason: z.string(), mac: z.string().optional() }),
  z.object({ answer: z.literal("wait"), retryMs: z.number(), mac: z.string().optional() }),
]);

/** Returns the proof that a renewal's sender has the attempt's key. */
export function renewalProof(key: string, { nonce = "", letsGo = false }: ClaimRequest): string {
  return mac(key, ["renew", nonce, String(letsGo)]);
}

/**
 * Returns the proof that a renewal's progress is that of its sender. It is apart from `renewalProof`, so that
 * an engine of an earlier release accepts the renewal.
 */
export function progressProof(key: string, { nonce = "", progress = "" }: ClaimRequest): string {
  return mac(key, ["progress", nonce, progress]);
}

/** Returns the `mac` of an answer to the renewal `nonce`: proves that the sender has the attempt's key. */
export function answerMac(key: string, nonce: string, reply: ClaimReply): string {
  const facts = Object.entries(reply).filter(([name, value]) => name !== "mac" && value !== undefined);
  return mac(key, ["answer", nonce, JSON.stringify(facts.sort(([a], [b]) => a < b ? -1 : 1))]);
}
