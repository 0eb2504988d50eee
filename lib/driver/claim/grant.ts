import type { Delivery } from "../../backend/transport.ts";
import { messageOf, Retryable } from "../../base/errors.ts";
import type { ClaimReply, ClaimRequest } from "../../wire/claim.ts";
import { digestOf } from "../../wire/signature.ts";
import { beatMs } from "./heartbeat.ts";
import { askAgain, askClaim } from "./claim.ts";
import type { EventFacts } from "../understand/event-facts.ts";
import { MOST_DELIVERIES, type Outcome } from "../report/outcome.ts";
import type { HandleParts } from "../parts.ts";
import { failedBy } from "../report/result.ts";
import { backOff } from "../../base/retry.ts";
import { takeTurn } from "./turn.ts";

/** The right to work on a step. */
export interface Grant {
  readonly attempt: number;
  /** How many attempts there were since the run's last fresh start, this one included. */
  readonly tries: number;
  /** Tells whoever gave it that the work goes on, and hears when it has to stop; undefined where nobody watches. */
  readonly renew: (() => Promise<ClaimReply>) | undefined;
  /** Says that this attempt ends without a result, so that the next need not wait for its silence. */
  readonly letGo?: (() => Promise<void>) | undefined;
  /** Says that the event is settled, where no engine sees that by itself. */
  readonly done?: (() => Promise<void>) | undefined;
  readonly remainingMs: number | undefined;
  readonly secrets: Readonly<Record<string, string>>;
  /** With which its results and log batches are signed; undefined where nobody asks for that. */
  readonly key?: string | undefined;
}

/** The longest that an answer is waited for. */
const ANSWER_MS = 5000;

/** Asks the engine whether this instance may work on the event's step. Without claims the driver goes straight on. */
export async function askForGrant(
  delivery: Delivery,
  facts: EventFacts,
  parts: HandleParts,
): Promise<Grant | Outcome> {
  try {
    return await (facts.hasClaims ? claimed(delivery, facts, parts) : unclaimed(delivery, facts, parts));
  } catch (error) {
    if (!(error instanceof Retryable)) throw error;
    // An engine that is away is waited for; where there is none, only deliveries tell how long this goes on.
    if (!facts.hasClaims && delivery.deliveries >= MOST_DELIVERIES) {
      const message = `${messageOf(error)} (given up after ${delivery.deliveries} deliveries)`;
      return { kind: "report", result: failedBy(error, message) };
    }
    return { kind: "later", delayMs: backOff(delivery.deliveries, parts.retryMs), why: messageOf(error) };
  }
}

async function unclaimed(
  delivery: Delivery,
  facts: EventFacts,
  parts: HandleParts,
): Promise<Grant | Outcome> {
  const { driver, settings, settled } = parts;
  if (settled.has(`${facts.run}/${facts.id}`)) {
    return { kind: "drop", why: "Its result was sent, and its ack got lost" };
  }
  const grant = {
    attempt: delivery.deliveries,
    tries: delivery.deliveries,
    renew: undefined,
    remainingMs: settings.maxTimeoutMs,
    secrets: {},
  };
  if (!driver.exclusive) return grant;
  const turn = await takeTurn(delivery, facts, parts);
  return "kind" in turn ? turn : { ...grant, ...turn };
}

async function claimed(
  delivery: Delivery,
  { step, run, id }: EventFacts,
  parts: HandleParts,
): Promise<Grant | Outcome> {
  const { transport, instance, settings: { host }, driver: { name: driver } } = parts;
  const event = { step, event: id, delivery: delivery.deliveries, instance, host };
  const timeoutMs = Math.min(ANSWER_MS, beatMs(delivery, parts));
  const to = { run, driver };
  const reply = await askClaim(transport, to, { ...event, digest: digestOf(delivery.data) }, { timeoutMs });
  return granted(reply, (more, key) =>
    key === undefined
      // An engine of an earlier release.
      ? askClaim(transport, to, { ...event, ...more }, { timeoutMs })
      : askAgain(transport, to, { ...event, ...more }, { key, timeoutMs }));
}

function granted(
  reply: ClaimReply,
  ask: (more: Pick<ClaimRequest, "attempt" | "letsGo">, key: string | undefined) => Promise<ClaimReply>,
): Grant | Outcome {
  switch (reply.answer) {
    case "go": {
      const { attempt, tries = attempt, remainingMs, secrets = {}, key } = reply;
      return {
        attempt,
        tries,
        remainingMs,
        secrets,
        key,
        renew: () => ask({ attempt }, key),
        // Best effort: without it the engine notices by itself.
        letGo: () => ask({ attempt, letsGo: true }, key).then(() => {}, () => {}),
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
