import type { Delivery } from "../backend/transport.ts";
import { backOff } from "../base/retry.ts";
import { formatDuration } from "../base/units.ts";
import { HEADERS } from "../wire/headers.ts";
import type { Resource } from "../wire/resource.ts";
import { addresseeOf } from "./understand/addressee.ts";
import { decodeEvent } from "./understand/decode.ts";
import { elsewhere } from "./understand/elsewhere.ts";
import { type EventFacts, eventFacts } from "./understand/event-facts.ts";
import { beatMs } from "./claim/heartbeat.ts";
import { askForGrant, type Grant } from "./claim/grant.ts";
import { Lease } from "./claim/lease.ts";
import { maskOf } from "./log/mask/mask.ts";
import { MOST_ATTEMPTS, MOST_DELIVERIES, type Outcome } from "./report/outcome.ts";
import type { HandleParts } from "./parts.ts";
import { failed } from "./report/result.ts";
import { refuse, settle } from "./report/settle.ts";
import { putOffMs } from "./claim/turn.ts";
import { work } from "./work/work.ts";

/** Between two deliveries of an event that another release handles, milliseconds. */
const MOST_MS_FOR_OTHERS = 120_000;

/** Handles one delivery, from its bytes to its ack. `onWorked`: its driver's work is done and its log stored. */
export async function handle(
  delivery: Delivery,
  parts: HandleParts,
  onWorked: () => void = () => {},
): Promise<void> {
  const { driver, resources, settings, faultPoint } = parts;
  const began = performance.now();
  faultPoint("pulled", delivery.headers[HEADERS.step]);
  if (parts.claimsOnly && delivery.headers[HEADERS.claims] !== "1") {
    return await refuse(
      delivery,
      "It does not come from the control plane: expected an event with claims",
      parts,
    );
  }
  const event = decodeEvent(delivery.data, resources);
  if (event.run === undefined) return await refuse(delivery, event.problem, parts);
  const facts = eventFacts(delivery, event, driver.name);
  faultPoint("decoded", facts.step);

  const end = async (
    outcome: Outcome,
    to = addresseeOf(delivery, event, facts),
    alsoDone?: () => Promise<void>,
  ) => {
    const isOver = await settle(delivery, outcome, to, parts, { began, alsoDone });
    if (isOver && !facts.hasClaims) parts.settled.add(`${facts.run}/${facts.id}`);
  };
  const age = facts.hasClaims ? undefined : tooOld(delivery, parts);
  if (age !== undefined) {
    const why = `The event waited for ${age} before a driver took it: expected ${
      formatDuration(parts.maxEventAgeMs)
    } at most (--max-event-age)`;
    return void await end({ kind: "refuse", why, result: failed("timeout", why) });
  }
  if ("problem" in event && isForOtherRelease(delivery, parts)) {
    const delayMs = backOff(delivery.deliveries, parts.retryMs, MOST_MS_FOR_OTHERS);
    return void await end({ kind: "later", delayMs, why: "Another release of this driver handles its type" });
  }
  const host = driver.usesDocker !== false && "resource" in event &&
    elsewhere(delivery, event, driver.name, settings.host);
  if (host) return void await end({ kind: "forward", host });

  // To whoever grants it both would be one delivery that asks again, because its answer was lost.
  using taken = parts.leases.take(`${facts.run}/${facts.id}`);
  if (!taken) {
    const delayMs = facts.hasClaims ? beatMs(delivery, parts) : putOffMs(delivery, parts);
    return void await end({ kind: "later", delayMs, why: "It is in hand already" });
  }
  const grant = await askForGrant(delivery, facts, parts);
  if ("kind" in grant) return void await end(grant);
  faultPoint("claimed", facts.step);

  if (!facts.hasClaims && delivery.deliveries > 1 && "resource" in event && await parts.isAnswered?.(event)) {
    const why = "Its result is stored already, or nobody wants one";
    return void await end({ kind: "drop", why }, undefined, grant.done);
  }

  using lease = leaseOf(delivery, grant, parts);
  using _held = parts.leases.add(facts.run, lease);
  const mask = maskOf({ ...settings.gitTokens, ...grant.secrets });
  const outcome = "problem" in event ? refusal(event.problem) : givenUp(grant, facts) ??
    await work({ event, facts, grant, lease, mask }, partsFor(event.resource, parts));
  if (outcome.kind === "later") await grant.letGo?.();
  else onWorked();
  const to = addresseeOf(delivery, event, facts, { ...grant, mask, signal: lease.reportSignal });
  await end(outcome, to, grant.done);
}

/**
 * While releases of a driver are exchanged, those that know more resource types share their consumer with those that do
 * not. An event of such a type has a few minutes to find its instance.
 */
function isForOtherRelease({ subject, deliveries }: Delivery, { resources }: HandleParts): boolean {
  return deliveries < MOST_DELIVERIES && !resources.includes(subject.split(".").at(-1) ?? "");
}

/** How long the event waited, where that is too long: a consumer keeps what came before its driver was ever started. */
function tooOld({ storedAt }: Delivery, { clock, maxEventAgeMs }: HandleParts): string | undefined {
  const waitedMs = storedAt === undefined ? 0 : clock() - storedAt;
  return waitedMs > maxEventAgeMs ? formatDuration(waitedMs) : undefined;
}

function leaseOf(delivery: Delivery, grant: Grant, parts: HandleParts): Lease {
  return new Lease({
    ...grant,
    working: () => delivery.working(),
    beatMs: () => beatMs(delivery, parts),
    reportMs: parts.reportMs,
    clock: parts.clock,
  });
}

/** A resource may ask for less than the operator allows. */
function partsFor(resource: Resource, parts: HandleParts): HandleParts {
  const { driver, settings } = parts;
  return driver.settingsFor ? { ...parts, settings: driver.settingsFor(resource, settings) } : parts;
}

function refusal(problem: string): Outcome {
  return { kind: "refuse", why: problem, result: failed("invalid-event", problem) };
}

/** An event that every driver so far has died of is not tried for ever. */
function givenUp({ tries }: Grant, { hasClaims }: EventFacts): Outcome | undefined {
  if (tries <= (hasClaims ? MOST_ATTEMPTS : MOST_DELIVERIES)) return undefined;
  const message = `Given up: ${tries - 1} attempts came to no end`;
  return { kind: "report", result: failed("driver-lost", message) };
}
