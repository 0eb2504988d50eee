import { messageOf, Retryable } from "../../base/errors.ts";
import type { ClaimReply, ClaimRequest } from "../../wire/claim.ts";
import { digestOf } from "../../wire/signature.ts";
import { askAgain, askClaim } from "./claim.ts";
import type { RecentSet } from "../../base/recent-set.ts";
import type { DriverSettings } from "../driver.ts";
import type { EventInHand } from "../understand/event-in-hand.ts";
import { type Disposition, MOST_DELIVERIES } from "../report/disposition.ts";
import { failedBy } from "../report/result.ts";
import { backOff } from "../../base/retry.ts";
import { takeTurn, type TurnServices } from "./turn.ts";

/** The right to work on a step. */
export interface Grant {
  readonly attempt: number;
  /** Attempts since the run's last fresh start, including this one. */
  readonly tries: number;
  /** Renews the grant and returns whether to go on; undefined if the grant needs no renewal. */
  readonly renew: (() => Promise<ClaimReply>) | undefined;
  /** As `renew`, and stores the step's progress for its next attempt. */
  readonly keep?: ((progress: string) => Promise<ClaimReply>) | undefined;
  /** The progress of an earlier attempt. */
  readonly progress?: string | undefined;
  /** The value of `TRACEPARENT` for what the step starts. */
  readonly traceparent?: string | undefined;
  /** Reports that this attempt ends without a result, so that the next one can start at once. */
  readonly letGo?: (() => Promise<void>) | undefined;
  /** Reports that the event is settled; only for events that no engine watches. */
  readonly done?: (() => Promise<void>) | undefined;
  readonly remainingMs: number | undefined;
  readonly secrets: Readonly<Record<string, string>>;
  /** Signs results and log batches; undefined if they are not signed. */
  readonly key?: string | undefined;
}

/** The longest wait for an answer, milliseconds. */
const ANSWER_MS = 5000;

/** What `askForGrant` needs. */
export interface GrantServices extends TurnServices {
  readonly settings: Pick<DriverSettings, "host" | "maxTimeoutMs">;
  /** The delay before an engine that does not answer is asked again, milliseconds; doubled each time. */
  readonly retryMs: number;
  /** Keys of settled events without claims. */
  readonly settled: RecentSet;
}

/**
 * Asks the engine whether this instance may work on the event's step. An event without claims is granted
 * locally.
 */
export async function askForGrant(held: EventInHand, services: GrantServices): Promise<Grant | Disposition> {
  const { delivery: { deliveries }, facts } = held;
  try {
    return await (facts.hasClaims ? claimed(held, services) : unclaimed(held, services));
  } catch (error) {
    if (!(error instanceof Retryable)) throw error;
    // With claims, wait for the engine without limit. Without, the number of deliveries is the only limit.
    if (!facts.hasClaims && deliveries >= MOST_DELIVERIES) {
      const message = `${messageOf(error)} (given up after ${deliveries} deliveries)`;
      return { kind: "report", result: failedBy(error, message) };
    }
    return { kind: "later", delayMs: backOff(deliveries, services.retryMs), why: messageOf(error) };
  }
}

async function unclaimed(held: EventInHand, services: GrantServices): Promise<Grant | Disposition> {
  const { delivery: { deliveries }, facts } = held;
  const { driver, settings, settled } = services;
  if (settled.has(facts.key)) return { kind: "drop", why: "Its result was sent, and its ack got lost" };
  const grant = {
    attempt: deliveries,
    tries: deliveries,
    renew: undefined,
    remainingMs: settings.maxTimeoutMs,
    secrets: {},
  };
  if (!driver.exclusive) return grant;
  const turn = await takeTurn(held, services);
  return "kind" in turn ? turn : { ...grant, ...turn };
}

async function claimed(
  { delivery, facts: { step, run, id }, heartbeatMs }: EventInHand,
  { transport, instance, settings: { host }, driver: { name: driver } }: GrantServices,
): Promise<Grant | Disposition> {
  const event = { step, event: id, delivery: delivery.deliveries, instance, host };
  const timeoutMs = Math.min(ANSWER_MS, heartbeatMs());
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
  ask: (
    more: Pick<ClaimRequest, "attempt" | "letsGo" | "progress">,
    key: string | undefined,
  ) => Promise<ClaimReply>,
): Grant | Disposition {
  switch (reply.answer) {
    case "go": {
      const { attempt, tries = attempt, remainingMs, secrets = {}, key, progress, traceparent } = reply;
      return {
        attempt,
        tries,
        remainingMs,
        secrets,
        key,
        progress,
        traceparent,
        keep: (progress) => ask({ attempt, progress }, key),
        renew: () => ask({ attempt }, key),
        // Best effort: otherwise the engine notices that the attempt is silent.
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
