import type { Delivery } from "../backend/transport.ts";
import { HEADERS } from "../wire/headers.ts";
import type { Resource } from "../wire/resource.ts";
import { addresseeOf } from "./addressee.ts";
import { decodeEvent } from "./decode.ts";
import { elsewhere } from "./elsewhere.ts";
import { eventFacts } from "./event-facts.ts";
import { beatMs } from "./beat.ts";
import { askForGrant, type Grant } from "./grant.ts";
import { Lease } from "./lease.ts";
import { maskOf } from "./log/mask.ts";
import { MOST_ATTEMPTS, MOST_DELIVERIES, type Outcome } from "./outcome.ts";
import type { HandleParts } from "./parts.ts";
import { failed } from "./result.ts";
import { refuse, settle } from "./settle.ts";
import { work } from "./work.ts";

/** Handles one delivery, from its bytes to its ack. */
export async function handle(delivery: Delivery, parts: HandleParts): Promise<void> {
  const { driver, resources, settings, reach } = parts;
  reach("pulled", delivery.headers[HEADERS.step]);
  const event = decodeEvent(delivery.data, resources);
  if (event.run === undefined) return await refuse(delivery, event.problem, parts);
  const facts = eventFacts(delivery, event, driver.name);
  reach("decoded", facts.step);

  const end = async (outcome: Outcome, to = addresseeOf(delivery, event, facts)) => {
    const isOver = await settle(delivery, outcome, to, parts);
    if (isOver && !facts.hasClaims) parts.settled.add(`${facts.run}/${facts.id}`);
  };
  const host = driver.usesDocker !== false && "resource" in event &&
    elsewhere(delivery, event, driver.name, settings.host);
  if (host) return await end({ kind: "forward", host });

  // To the engine both would be one delivery that asks again, because its answer was lost.
  using taken = facts.hasClaims ? parts.leases.take(facts.id) : undefined;
  if (facts.hasClaims && !taken) {
    return await end({ kind: "later", delayMs: beatMs(delivery, parts), why: "It is in hand already" });
  }
  const grant = await askForGrant(delivery, facts, parts);
  if ("kind" in grant) return await end(grant);
  reach("claimed", facts.step);

  using lease = leaseOf(delivery, grant, parts);
  using _held = parts.leases.add(facts.run, lease);
  const mask = maskOf({ ...settings.gitTokens, ...grant.secrets });
  const outcome = "problem" in event
    ? refusal(event.problem)
    : givenUp(grant) ?? await work({ event, facts, grant, lease, mask }, partsFor(event.resource, parts));
  if (outcome.kind === "later") await grant.letGo?.();
  await end(outcome, addresseeOf(delivery, event, facts, { ...grant, mask, signal: lease.reportSignal }));
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
function givenUp({ tries, renew }: Grant): Outcome | undefined {
  if (tries <= (renew ? MOST_ATTEMPTS : MOST_DELIVERIES)) return undefined;
  const message = `Given up: ${tries - 1} attempts came to no end`;
  return { kind: "report", result: failed("driver-lost", message) };
}
