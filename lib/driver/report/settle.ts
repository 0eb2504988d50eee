import { parseOwnJson } from "../../base/json.ts";
import type { Delivery } from "../../backend/transport.ts";
import { messageOf, Retryable } from "../../base/errors.ts";
import { OUTCOME_LOG, processLog } from "../../base/log.ts";
import { ids } from "../../wire/ids.ts";
import { reasonOf } from "../../wire/reasons.ts";
import type { DriverResult } from "../../wire/resource.ts";
import { signed } from "../../wire/signature.ts";
import { consumers, subjects } from "../../wire/subjects.ts";
import type { Addressee } from "../understand/addressee.ts";
import type { Settled } from "../observer.ts";
import type { Outcome } from "./outcome.ts";
import type { HandleParts } from "../parts.ts";
import { writeFailure } from "./failure-line.ts";
import { fittingResult, isSuccess, resultEvent, resultText } from "./result.ts";
import { backOff, persist } from "../../base/retry.ts";

/** Acks, naks and terms that do not come through are left: the event comes again, and is found to be done. */
const TRIES = 5;

export interface SettleOptions {
  /** When the event came, in `performance.now()`. */
  readonly began: number;
  /** Tells others that the event is settled, together with its ack. Never rejects. */
  readonly alsoDone?: (() => Promise<void>) | undefined;
}

/**
 * Ends a delivery as its outcome says; false where the event will come again. A result is stored before its event is acked.
 */
export async function settle(
  delivery: Delivery,
  outcome: Outcome,
  to: Addressee,
  parts: HandleParts,
  { began, alsoDone }: SettleOptions,
): Promise<boolean> {
  const { facts, signal } = to;
  const log = () =>
    processLog("driver").with({ driver: parts.driver.name, run: facts.run, step: facts.step });
  const again = async (why: string, delayMs = backOff(delivery.deliveries, parts.retryMs)) => {
    log().warn("Put {run}/{step} off for {delayMs} ms: {why}", { delayMs, why });
    parts.observer.settled("later");
    await tried(() => delivery.nak(delayMs));
    return false;
  };
  const done = async (as: Settled, end = () => delivery.ack()) => {
    parts.observer.settled(as);
    // One after the other would be no safer: whichever gets lost, the event is found to be done when it comes again.
    await Promise.all([tried(end), alsoDone?.()]);
    parts.faultPoint("acked", facts.step);
    return true;
  };
  const tell = ({ success, data }: DriverResult) => {
    const seconds = ((performance.now() - began) / 1000).toFixed(2);
    const outcome = success ? "succeeded" : "failed";
    const facts = { outcome, seconds, ...!success && { reason: reasonOf(data) } };
    const text = "Step {step} of run {run} {outcome} after {seconds} s";
    log().getChild(OUTCOME_LOG).info(success ? text : `${text}: {reason}`, facts);
  };
  switch (outcome.kind) {
    case "drop":
      log().debug("Nothing to do for {run}/{step}: {why}", { why: outcome.why });
      return await done("dropped");
    case "leave":
      log().debug("Leaves {run}/{step} to others: {why}", { why: outcome.why });
      parts.observer.settled("dropped");
      return false;
    case "later":
      return await again(outcome.why, outcome.delayMs);
    case "forward": {
      const isSent = await sent(() => forward(delivery, outcome.host, to, parts), signal);
      return isSent ? await done("forwarded") : await again("Cannot forward the event");
    }
    case "report": {
      const text = resultOf(outcome.result, to, parts);
      const isSent = await sent(() => report(text, to, parts), signal);
      if (!isSent) return await again("Cannot send the result");
      tell(parseOwnJson(text));
      return await done(isSuccess(text) ? "succeeded" : "failed");
    }
    case "refuse": {
      const text = resultOf(outcome.result, to, parts);
      const isSent = await sent(() => report(text, to, parts), signal);
      if (!isSent) return await again("Cannot send the result");
      tell(parseOwnJson(text));
      log().error("Refused an event of {run}/{step}: {why}", { why: outcome.why });
      return await done("refused", () => delivery.term(outcome.why));
    }
  }
}

/** Ends a delivery that can never be handled; the backend keeps it as a dead letter. */
export async function refuse(delivery: Delivery, why: string, { observer }: HandleParts): Promise<void> {
  processLog("driver").error("Refused an event on {subject}: {why}", { subject: delivery.subject, why });
  observer.settled("refused");
  await tried(() => delivery.term(why));
}

function resultOf(result: unknown, to: Addressee, { driver, transport }: HandleParts): string {
  const text = resultText(result, driver.name, to.mask);
  const fit = { driver: driver.name, mask: to.mask, mostBytes: transport.maxMessageBytes };
  return fittingResult(to.facts.run, to.resource, text, fit);
}

async function report(result: string, to: Addressee, parts: HandleParts): Promise<void> {
  const { transport, faultPoint } = parts;
  if (!isSuccess(result)) await writeFailure(parseOwnJson(result), to, parts);
  const event = resultEvent(to.facts.run, to.resource, result, transport.maxMessageBytes);
  const { id, headers } = to.result;
  const message = { subject: subjects.result, id, headers };
  await transport.publish(subjects.result, event, {
    id,
    headers: to.key === undefined ? headers : signed(to.key, message, event),
  });
  faultPoint("result-published", to.facts.step);
}

async function forward(delivery: Delivery, host: string, to: Addressee, parts: HandleParts): Promise<void> {
  const { driver, transport, ackWaitMs } = parts;
  const subject = subjects.stepOnHost(driver.name, host, to.type);
  await transport.ensureConsumer({
    stream: "messages",
    name: consumers.onHost(driver.name, host),
    filters: [subject],
    ackWaitMs,
  });
  const id = ids.forwarded(to.facts.id, host);
  await transport.publish(subject, delivery.data, { id, headers: { ...delivery.headers } });
}

/** False when it could not be sent as long as that made sense. */
async function sent(send: () => Promise<void>, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await persist(send, signal ? { signal } : { tries: TRIES });
    return true;
  } catch (error) {
    if (error instanceof Retryable || signal?.aborted) return false;
    throw error;
  }
}

async function tried(end: () => Promise<void>): Promise<void> {
  try {
    await persist(end, { tries: TRIES });
  } catch (error) {
    processLog("driver").warn("Cannot end a delivery: {error}", { error: messageOf(error) });
  }
}
