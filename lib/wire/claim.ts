import { z } from "zod";
import { mac } from "./signature.ts";

/** Asked on `runs.<run>.claim.<driver>` before `reconcile`, and again with every renewal of the lease. */
export const ClaimRequest = z.object({
  step: z.string(),
  /** The event's message id: tells one dispatch of a step from the next. */
  event: z.string(),
  /** How often the transport has delivered this event, from 1. */
  delivery: z.int().min(1),
  /** The asking process; a new one for every start of a driver. */
  instance: z.string(),
  /** The Docker host this instance works on. */
  host: z.string(),
  /** On a renewal: the attempt that was granted. */
  attempt: z.int().min(1).optional(),
  /**
   * With `attempt`: this attempt ends without a result (its event goes back), so the next one may be granted at once. The
   * answer says nothing. Who does not say so is succeeded after a silence.
   */
  letsGo: z.boolean().optional(),
  /** Without `attempt`: SHA-256 of the event's body, so that the engine can tell its own event from a forged one. */
  digest: z.string().optional(),
  /** With `attempt`: names this request, and shows that it comes from whoever was granted the attempt. */
  nonce: z.string().optional(),
  proof: z.string().optional(),
});
export type ClaimRequest = z.infer<typeof ClaimRequest>;

/**
 * `go`: work, as this attempt, for `remainingMs` at most (counted from this answer, since clocks need not agree). `done`: a
 * result is recorded, ack and do nothing. `stop`: the run or the attempt has ended (`reason` is one of the closed set), ack and do nothing. `wait`:
 * another attempt is alive, ask again later.
 */
export const ClaimReply = z.discriminatedUnion("answer", [
  z.object({
    answer: z.literal("go"),
    attempt: z.int().min(1),
    /** Which attempt this is since the run's last fresh start; `attempt` goes on across those. */
    tries: z.int().min(1).optional(),
    remainingMs: z.number().optional(),
    secrets: z.record(z.string(), z.string()).optional(),
    /** With which results, log batches and renewals of this attempt are signed. */
    key: z.string().optional(),
    mac: z.string().optional(),
  }),
  z.object({ answer: z.literal("done"), mac: z.string().optional() }),
  z.object({ answer: z.literal("stop"), reason: z.string(), mac: z.string().optional() }),
  z.object({ answer: z.literal("wait"), retryMs: z.number(), mac: z.string().optional() }),
]);
export type ClaimReply = z.infer<typeof ClaimReply>;

/** What proves that a renewal comes from whoever has the attempt's key. */
export function renewalProof(key: string, { nonce = "", letsGo = false }: ClaimRequest): string {
  return mac(key, ["renew", nonce, String(letsGo)]);
}

/** The `mac` of an answer to the renewal `nonce`: it comes from whoever made the attempt's key. */
export function answerMac(key: string, nonce: string, reply: ClaimReply): string {
  const facts = Object.entries(reply).filter(([name, value]) => name !== "mac" && value !== undefined);
  return mac(key, ["answer", nonce, JSON.stringify(facts.sort(([a], [b]) => a < b ? -1 : 1))]);
}
