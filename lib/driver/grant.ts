import type { Delivery } from "../backend/transport.ts";
import { messageOf, Retryable } from "../base/errors.ts";
import type { ClaimReply, ClaimRequest } from "../wire/claim.ts";
import { beatMs } from "./beat.ts";
import { askClaim } from "./claim.ts";
import type { EventFacts } from "./event-facts.ts";
import type { Outcome } from "./outcome.ts";
import type { HandleParts } from "./parts.ts";
import { backOff } from "../base/retry.ts";

/** The right to work on a step. */
export interface Grant {
  readonly attempt: number;
  /** How many attempts there were since the run's last fresh start, this one included. */
  readonly tries: number;
  /** Given by an engine, which is told that the work goes on and says when it has to stop. */
  readonly renew: (() => Promise<ClaimReply>) | undefined;
  /** Tells the engine that this attempt ends without a result, so that the next need not wait for its silence. */
  readonly letGo: (() => Promise<void>) | undefined;
  readonly remainingMs: number | undefined;
  readonly secrets: Readonly<Record<string, string>>;
}

/** The longest that an answer is waited for. */
const ANSWER_MS = 5000;

/** Asks the engine whether this instance may work on the event's step. Without claims the driver goes straight on. */
export async function askForGrant(
  delivery: Delivery,
  facts: EventFacts,
  parts: HandleParts,
): Promise<Grant | Outcome> {
  const { transport, instance, settings, settled } = parts;
  const { step, run } = facts;
  if (!facts.hasClaims) {
    if (settled.has(`${facts.run}/${facts.id}`)) {
      return { kind: "drop", why: "Its result was sent, and its ack got lost" };
    }
    return {
      attempt: delivery.deliveries,
      tries: delivery.deliveries,
      renew: undefined,
      letGo: undefined,
      remainingMs: settings.maxTimeoutMs,
      secrets: {},
    };
  }
  const request: ClaimRequest = {
    step,
    event: facts.id,
    delivery: delivery.deliveries,
    instance,
    host: settings.host,
  };
  const timeoutMs = Math.min(ANSWER_MS, beatMs(delivery, parts));
  try {
    const reply = await askClaim(transport, run, request, { timeoutMs });
    return granted(reply, (more) => askClaim(transport, run, { ...request, ...more }, { timeoutMs }));
  } catch (error) {
    if (!(error instanceof Retryable)) throw error;
    return { kind: "later", delayMs: backOff(delivery.deliveries, parts.retryMs), why: messageOf(error) };
  }
}

function granted(
  reply: ClaimReply,
  ask: (more: Pick<ClaimRequest, "attempt" | "letsGo">) => Promise<ClaimReply>,
): Grant | Outcome {
  switch (reply.answer) {
    case "go": {
      const { attempt, tries = attempt, remainingMs, secrets = {} } = reply;
      return {
        attempt,
        tries,
        remainingMs,
        secrets,
        renew: () => ask({ attempt }),
        // Best effort: without it the engine notices by itself.
        letGo: () => ask({ attempt, letsGo: true }).then(() => {}, () => {}),
      };
    }
    case "done":
      return { kind: "drop", why: "Its result is recorded" };
    case "stop":
      return { kind: "drop", why: `The engine says that it has ended: ${reply.reason}` };
    case "wait":
      return { kind: "later", delayMs: reply.retryMs, why: "Another attempt is alive" };
  }
}
