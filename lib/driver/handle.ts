import type { Delivery } from "../backend/transport.ts";
import type { Clock } from "../base/clock.ts";
import { backOff } from "../base/retry.ts";
import { formatDuration } from "../base/units.ts";
import { HEADERS } from "../wire/headers.ts";
import type { Resource } from "../wire/resource.ts";
import { askForGrant, type Grant, type GrantServices } from "./claim/grant.ts";
import type { GrantedEvent } from "./claim/granted-event.ts";
import { Lease } from "./claim/lease.ts";
import type { Leases } from "./claim/leases.ts";
import { putOffMs } from "./claim/turn.ts";
import type { Driver, DriverSettings } from "./driver.ts";
import { maskOf } from "./log/mask/mask.ts";
import { type Disposition, MOST_ATTEMPTS, MOST_DELIVERIES } from "./report/disposition.ts";
import { failed } from "./report/result.ts";
import { refuse, settle, type SettleServices } from "./report/settle.ts";
import { decodeEvent, type DriverEvent } from "./understand/decode.ts";
import { elsewhere } from "./understand/elsewhere.ts";
import { type EventInHand, eventInHand } from "./understand/event-in-hand.ts";
import { work, type WorkServices } from "./work/work.ts";

/** The services of all stages of handling an event. Times are milliseconds. */
export interface HandleServices extends GrantServices, WorkServices, SettleServices {
  readonly driver: Driver;
  readonly settings: DriverSettings;
  readonly resources: readonly string[];
  /** Refuses events without claims: they do not come from the control plane. */
  readonly claimsOnly: boolean;
  /** An event without claims that was stored longer ago than this fails without being started. */
  readonly maxEventAgeMs: number;
  /** How long sending of logs and results is retried after the work was told to stop. */
  readonly reportMs: number;
  readonly leases: Leases;
  /** Returns whether a redelivered event without claims has been answered already. */
  readonly isAnswered?: ((event: DriverEvent) => Promise<boolean>) | undefined;
}

/** The longest delay between two deliveries of an event that another instance handles, milliseconds. */
const MOST_MS_FOR_OTHERS = 120_000;
/** The same for an event with claims, which may be delivered any number of times. */
const MOST_MS_WITH_CLAIMS = 2000;
const FIRST_MS_FOR_OTHERS = 50;
/** The broker gives a returned event to the instance that has waited longest. */
const DELIVERIES_AT_ONCE = 3;
const DELIVERIES_A_MINUTE = 30;

/**
 * Handles one delivery, from its bytes to its ack. Calls `onWorked` once the driver's work is done and its
 * log stored.
 */
export async function handle(
  delivery: Delivery,
  services: HandleServices,
  onWorked: () => void = () => {},
): Promise<void> {
  const { resources, leases, faultPoint } = services;
  faultPoint("pulled", delivery.headers[HEADERS.step]);
  if (services.claimsOnly && delivery.headers[HEADERS.claims] !== "1") {
    const why = "It does not come from the control plane: expected an event with claims";
    return await refuse(delivery, why, services);
  }
  const event = decodeEvent(delivery.data, resources);
  if (event.run === undefined) return await refuse(delivery, event.problem, services);
  const held = eventInHand(delivery, event, services);
  const { facts } = held;
  faultPoint("decoded", facts.step);

  const notHere = tooOld(held, services) ?? otherTypes(held, services) ?? otherHosts(held, services);
  if (notHere) return void await settle(held, notHere, services);

  // Refuse a second copy of an event we already hold: the engine could not tell it from a retried claim.
  using taken = leases.take(facts.key);
  if (!taken) {
    const delayMs = facts.hasClaims ? held.heartbeatMs() : putOffMs(held);
    return void await settle(held, { kind: "later", delayMs, why: "It is in hand already" }, services);
  }
  const grant = await askForGrant(held, services);
  if ("kind" in grant) return void await settle(held, grant, services);
  faultPoint("claimed", facts.step);

  if (await isAnswered(held, services)) {
    const why = "Its result is stored already, or nobody wants one";
    return void await settle({ ...held, grant }, { kind: "drop", why }, services);
  }

  using lease = leaseOf(held, grant, services);
  using _held = leases.add(facts.run, lease);
  const mask = maskOf({ ...services.driver.secretsIn?.(services.policy), ...grant.secrets });
  const granted: GrantedEvent = { ...held, grant, lease, mask };
  const disposition = "problem" in event
    ? refusal(event.problem)
    : givenUp(granted) ?? await work({ ...granted, event }, forResource(event.resource, services));
  if (disposition.kind === "later") await grant.letGo?.();
  else onWorked();
  await settle(granted, disposition, services);
}

/**
 * Fails an event without claims that waited too long: a consumer keeps events that came before the driver's
 * first start.
 */
function tooOld(
  { delivery: { storedAt }, facts }: EventInHand,
  { clock, maxEventAgeMs }: { clock: Clock; maxEventAgeMs: number },
): Disposition | undefined {
  const waitedMs = facts.hasClaims || storedAt === undefined ? 0 : clock() - storedAt;
  if (waitedMs <= maxEventAgeMs) return undefined;
  const why = `The event waited for ${formatDuration(waitedMs)} before a driver took it: expected ${
    formatDuration(maxEventAgeMs)
  } at most (--max-event-age)`;
  return { kind: "refuse", why, result: failed("timeout", why) };
}

/**
 * Instances of other releases, or started with another --resource, share their consumer with this one. An
 * event of a type that this instance does not handle is postponed, so that it can reach one that does: first
 * at once, then less often. Without claims the deliveries are counted, so that it ends after a few minutes;
 * with claims the engine limits the time that a step may wait.
 */
function otherTypes(
  { delivery: { subject, deliveries }, event, facts: { hasClaims } }: EventInHand,
  { resources, retryMs }: HandleServices,
): Disposition | undefined {
  if (!("problem" in event)) return undefined;
  const type = subject.split(".").at(-1) ?? "";
  if (resources.includes(type)) return undefined;
  const why = `This instance does not handle the type "${type}" (--resource): another one has to`;
  if (!hasClaims) {
    if (deliveries >= MOST_DELIVERIES) return undefined;
    return { kind: "later", delayMs: backOff(deliveries, retryMs, MOST_MS_FOR_OTHERS), why };
  }
  const delays = deliveries - DELIVERIES_AT_ONCE;
  const delayMs = delays <= 0 ? 0 : backOff(delays, FIRST_MS_FOR_OTHERS, MOST_MS_WITH_CLAIMS);
  // Once the delays are long: an instance that handles the type is busy or missing.
  return { kind: "later", delayMs, why, isRoutine: deliveries % DELIVERIES_A_MINUTE !== 10 };
}

/** If the driver uses Docker, forwards an event of a run that lives on another host to that host. */
function otherHosts(held: EventInHand, { driver, settings }: HandleServices): Disposition | undefined {
  if (driver.usesDocker === false || !("resource" in held.event)) return undefined;
  const host = elsewhere(held, driver.name, settings.host);
  return host === undefined ? undefined : { kind: "forward", host };
}

/**
 * Returns whether a redelivered event without claims has its result already. Only the server's state tells
 * that.
 */
async function isAnswered(
  { delivery, event, facts }: EventInHand,
  services: Pick<HandleServices, "isAnswered">,
): Promise<boolean> {
  if (facts.hasClaims || delivery.deliveries === 1 || !("resource" in event)) return false;
  return await services.isAnswered?.(event) ?? false;
}

function leaseOf(
  { delivery, heartbeatMs }: EventInHand,
  grant: Grant,
  { reportMs, clock }: Pick<HandleServices, "reportMs" | "clock">,
): Lease {
  return new Lease({ ...grant, working: () => delivery.working(), heartbeatMs, reportMs, clock });
}

function refusal(problem: string): Disposition {
  return { kind: "refuse", why: problem, result: failed("invalid-event", problem) };
}

/** Fails an event whose attempts all ended without a result, once there are too many. */
function givenUp({ grant: { tries }, facts: { hasClaims } }: GrantedEvent): Disposition | undefined {
  if (tries <= (hasClaims ? MOST_ATTEMPTS : MOST_DELIVERIES)) return undefined;
  const message = `Given up: ${tries - 1} attempts did not finish`;
  return { kind: "report", result: failed("driver-lost", message) };
}

function forResource(resource: Resource, services: HandleServices): HandleServices {
  const { driver, settings } = services;
  return driver.settingsFor ? { ...services, settings: driver.settingsFor(resource, settings) } : services;
}
