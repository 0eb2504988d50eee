import type { Delivery } from "../../backend/transport.ts";
import { messageOf, Retryable } from "../../base/errors.ts";
import type { Faults } from "../../base/faults.ts";
import { OUTCOME_LOG, processLog } from "../../base/log.ts";
import type { RecentSet } from "../../base/recent-set.ts";
import { backOff, retry } from "../../base/retry.ts";
import { onOneLine } from "../../base/text.ts";
import { ids } from "../../wire/ids.ts";
import { reasonOf } from "../../wire/reasons.ts";
import { signed } from "../../wire/signature.ts";
import { consumers, subjects } from "../../wire/subjects.ts";
import type { GrantedEvent } from "../claim/granted-event.ts";
import type { Observer, Settled } from "../observer.ts";
import type { EventInHand } from "../understand/event-in-hand.ts";
import { type Addressee, addresseeOf } from "./addressee.ts";
import { type LineServices, writeFailure } from "./failure-line.ts";
import type { Disposition } from "./disposition.ts";
import { type ComposedResult, composeResult } from "./result.ts";

/** Lost acks are harmless: on redelivery the event is recognised as done. */
const TRIES = 5;

/** What `settle` needs. */
export interface SettleServices extends LineServices {
  readonly observer: Observer;
  readonly faultPoint: Faults;
  readonly ackWaitMs: number;
  readonly retryMs: number;
  /** Keys of settled events without claims. */
  readonly settled: RecentSet;
}

/** An event to settle, at any stage: granted or not, worked on or not. */
export type Settleable = EventInHand & Partial<GrantedEvent>;

/**
 * Ends an event according to its disposition; returns false if it will be redelivered. A result is stored
 * before its event is acked.
 */
export async function settle(
  held: Settleable,
  disposition: Disposition,
  services: SettleServices,
): Promise<boolean> {
  const { delivery, facts } = held;
  const { observer } = services;
  const log = stepLog(held, services);
  switch (disposition.kind) {
    case "drop":
      log.debug("Nothing to do for {run}/{step}: {why}", { why: disposition.why });
      return await done(held, "dropped", services);
    case "leave":
      log.debug("Leaves {run}/{step} to others: {why}", { why: disposition.why });
      observer.settled("dropped");
      return false;
    case "later":
      return await again(held, disposition.why, services, disposition);
    case "forward": {
      const isSent = await sent(() => forward(held, disposition.host, services), undefined);
      return isSent
        ? await done(held, "forwarded", services)
        : await again(held, "Cannot forward the event", services);
    }
    case "report":
    case "refuse": {
      const to = addresseeOf(held);
      const { driver: { name: driver }, transport: { maxMessageBytes: mostBytes } } = services;
      const fit = { run: facts.run, resource: to.resource, mask: to.mask, driver, mostBytes };
      const composed = composeResult(disposition.result, fit);
      const isSent = await sent(() => report(composed, to, services), to.signal);
      if (!isSent) return await again(held, "Cannot send the result", services);
      sayOutcome(held, composed, services);
      if (disposition.kind === "report") {
        return await done(held, composed.isSuccess ? "succeeded" : "failed", services);
      }
      log.error("Refused an event of {run}/{step}: {why}", { why: disposition.why });
      return await done(held, "refused", services, () => delivery.term(disposition.why));
    }
  }
}

/** Ends a delivery that can never be handled; the backend keeps it as a dead letter. */
export async function refuse(
  delivery: Delivery,
  why: string,
  { observer }: Pick<SettleServices, "observer">,
): Promise<void> {
  processLog("driver").error("Refused an event on {subject}: {why}", { subject: delivery.subject, why });
  observer.settled("refused");
  await tried(() => delivery.term(why));
}

function stepLog({ facts }: EventInHand, { driver }: SettleServices) {
  return processLog("driver").with({ driver: driver.name, run: facts.run, step: facts.step });
}

async function again(
  held: EventInHand,
  why: string,
  services: SettleServices,
  { delayMs = backOff(held.delivery.deliveries, services.retryMs), isRoutine = false }: {
    delayMs?: number;
    isRoutine?: boolean;
  } = {},
): Promise<false> {
  const log = stepLog(held, services);
  const said = { delayMs, why };
  if (isRoutine) log.debug("Put {run}/{step} off for {delayMs} ms: {why}", said);
  else log.warn("Put {run}/{step} off for {delayMs} ms: {why}", said);
  services.observer.settled("later");
  await tried(() => held.delivery.nak(delayMs));
  return false;
}

async function done(
  { delivery, facts, grant }: Settleable,
  as: Settled,
  { observer, faultPoint, settled }: SettleServices,
  end = () => delivery.ack(),
): Promise<true> {
  observer.settled(as);
  // Their order does not matter: if either is lost, the event is recognised as done on redelivery.
  await Promise.all([tried(end), grant?.done?.()]);
  faultPoint("acked", facts.step);
  if (!facts.hasClaims) settled.add(facts.key);
  return true;
}

function sayOutcome(
  held: EventInHand,
  { isSuccess, result }: ComposedResult,
  services: SettleServices,
): void {
  const seconds = ((performance.now() - held.began) / 1000).toFixed(2);
  const outcome = isSuccess ? "succeeded" : "failed";
  const failure = !isSuccess && { reason: reasonOf(result.data), why: onOneLine(result.message) };
  const text = "Step {step} of run {run} {outcome} after {seconds} s";
  stepLog(held, services).getChild(OUTCOME_LOG).info(failure ? `${text}: {why} ({reason})` : text, {
    outcome,
    seconds,
    ...failure,
  });
}

async function report(
  { isSuccess, result, event }: ComposedResult,
  to: Addressee,
  services: SettleServices,
): Promise<void> {
  const { transport, faultPoint } = services;
  if (!isSuccess) await writeFailure(result, to, services);
  const { id, headers } = to.result;
  const message = { subject: subjects.result, id, headers };
  await transport.publish(subjects.result, event, {
    id,
    headers: to.key === undefined ? headers : signed(to.key, message, event),
  });
  faultPoint("result-published", to.facts.step);
}

async function forward(
  { delivery, facts }: EventInHand,
  host: string,
  { driver, transport, ackWaitMs }: SettleServices,
): Promise<void> {
  const subject = subjects.stepOnHost(driver.name, host, facts.type);
  await transport.ensureConsumer({
    stream: "messages",
    name: consumers.onHost(driver.name, host),
    filters: [subject],
    ackWaitMs,
  });
  const id = ids.forwarded(facts.id, host);
  await transport.publish(subject, delivery.data, { id, headers: { ...delivery.headers } });
}

/** Retries until `signal` aborts, or a few times without one. Returns false if it could not be sent. */
async function sent(send: () => Promise<void>, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await retry(send, signal ? { signal } : { tries: TRIES });
    return true;
  } catch (error) {
    if (error instanceof Retryable || signal?.aborted) return false;
    throw error;
  }
}

async function tried(end: () => Promise<void>): Promise<void> {
  try {
    await retry(end, { tries: TRIES });
  } catch (error) {
    processLog("driver").warn("Cannot end a delivery: {error}", { error: messageOf(error) });
  }
}
