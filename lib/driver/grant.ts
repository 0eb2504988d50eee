import type { Delivery } from "../backend/transport.ts";
import { messageOf, Retryable } from "../base/errors.ts";
import type { ClaimReply, ClaimRequest } from "../wire/claim.ts";
import { askClaim } from "./claim.ts";
import type { EventFacts } from "./event-facts.ts";
import type { Outcome } from "./outcome.ts";
import type { HandleParts } from "./parts.ts";
import { backOff } from "./retry.ts";

/** The right to work on a step. */
export interface Grant {
  readonly attempt: number;
  /** Given by an engine, which is told that the work goes on and says when it has to stop. */
  readonly renew: (() => Promise<ClaimReply>) | undefined;
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
  const { transport, instance, settings, ackWaitMs, settled } = parts;
  const { step, run } = facts;
  if (!facts.hasClaims) {
    if (settled.has(facts.id)) return { kind: "drop", why: "Its result was sent, and its ack got lost" };
    return {
      attempt: delivery.deliveries,
      renew: undefined,
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
  const timeoutMs = Math.min(ANSWER_MS, ackWaitMs / 3);
  try {
    const reply = await askClaim(transport, run, request, { timeoutMs });
    return granted(reply, (attempt) => askClaim(transport, run, { ...request, attempt }, { timeoutMs }));
  } catch (error) {
    if (!(error instanceof Retryable)) throw error;
    return { kind: "later", delayMs: backOff(delivery.deliveries, parts.retryMs), why: messageOf(error) };
  }
}

function granted(reply: ClaimReply, renew: (attempt: number) => Promise<ClaimReply>): Grant | Outcome {
  switch (reply.answer) {
    case "go": {
      const { attempt, remainingMs, secrets = {} } = reply;
      return { attempt, remainingMs, secrets, renew: () => renew(attempt) };
    }
    case "done":
      return { kind: "drop", why: "Its result is recorded" };
    case "stop":
      return { kind: "drop", why: `The engine says that it has ended: ${reply.reason}` };
    case "wait":
      return { kind: "later", delayMs: reply.retryMs, why: "Another attempt is alive" };
  }
}
