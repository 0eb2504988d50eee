import type { ConsumerSpec, Delivery, Message, Transport } from "../backend/transport.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { type Faults, noFaults } from "../base/faults.ts";
import { processLog } from "../base/log.ts";
import { isWithin } from "../base/signals.ts";
import type { Docker } from "../docker/docker.ts";
import { consumers, subjects } from "../wire/subjects.ts";
import { checkNames } from "./define.ts";
import type { Driver, DriverSettings } from "./driver.ts";
import { handle, type HandleServices } from "./handle.ts";
import { HostRoom } from "./take/host-room.ts";
import { Slots } from "./take/slots.ts";
import { Leases } from "./claim/leases.ts";
import { LiveLines } from "./log/live-lines.ts";
import { noObserver, type Observer } from "./observer.ts";
import { MOST_DELIVERIES } from "./report/disposition.ts";
import { refuseEarly } from "./refuse-early.ts";
import { RecentSet } from "../base/recent-set.ts";
import type { Admit } from "./take/requests.ts";
import { askEngine, type AskRun } from "./host/run-state.ts";
import { backOff, retry } from "../base/retry.ts";
import { takeEvents } from "./take/take-events.ts";

/** Times are milliseconds. */
export interface InstanceOptions {
  readonly driver: Driver;
  readonly transport: Transport;
  readonly docker: Docker;
  readonly settings: DriverSettings;
  /** The driver's own policy, as parsed by its program. */
  readonly policy?: unknown;
  /** Resource types to handle instead of the driver's own. */
  readonly resources?: readonly string[];
  /** Events handled at once (default 1). */
  readonly concurrency?: number;
  /**
   * True if an engine of ours grants each event. Then an event without claims is forged, and refused (default
   * false).
   */
  readonly claimsOnly?: boolean;
  /** Events without claims that are older than this fail without being started (default: no limit). */
  readonly maxEventAgeMs?: number;
  /**
   * The ack wait: without a heartbeat for this long, an event is redelivered to any instance (default
   * 30,000).
   */
  readonly ackWaitMs?: number;
  /** The delay before the first retry of an infrastructure failure; doubled each time (default 500). */
  readonly retryMs?: number;
  /** How long a driver may clean up, in addition to the grace period (default 30,000). */
  readonly cleanupMs?: number;
  /** How long sending of logs and results is retried after a step was told to stop (default 60,000). */
  readonly reportMs?: number;
  /** Names this process (default: a random UUID). */
  readonly instance?: string;
  /** Also takes events that are addressed to no host (default true). */
  readonly shared?: boolean;
  /**
   * Tells the state of a run that has containers or volumes on this host (default: asks an engine of ours).
   */
  readonly askRun?: AskRun;
  /** Returns whether a redelivered event without claims has been answered already (default: never). */
  readonly isAnswered?: HandleServices["isAnswered"];
  readonly clock?: Clock;
  readonly faultPoint?: Faults;
  readonly observer?: Observer;
}

/** A running driver. Dispose is `drain(0)`. */
export interface Instance extends AsyncDisposable {
  /** Events in hand. */
  readonly inHand: number;
  /** How long the driver has had no room for another event, milliseconds; 0 if it has room. */
  readonly fullMs: number;
  /** Why there is no room, worded for a run's log. */
  readonly whyFull: string | undefined;
  /** Resolves once events published from now on are kept for this driver and cancels reach it at once. */
  readonly ready: Promise<void>;
  /** Settles a queued event if the driver would refuse it in any case; returns false if it would not. */
  refuse(event: Message): Promise<boolean>;
  /**
   * Stops taking events; resolves once those in hand are settled. After `ms` they are told to stop, and
   * unfinished ones go to another instance. May be called again with less time.
   */
  drain(ms: number): Promise<void>;
}

const ACK_WAIT_MS = 30_000;
const RETRY_MS = 500;
const CLEANUP_MS = 30_000;
const REPORT_MS = 60_000;
/** How long events in hand have to end after their leases were abandoned. */
const LEAVE_MS = 1000;
/** How many settled events without claims are remembered, in case their acks are lost. */
const REMEMBERED = 1000;

/**
 * Starts a driver: takes its events and handles each, until drained. Throws InputError if a name is not a
 * token.
 */
export function startInstance(options: InstanceOptions): Instance {
  const services = servicesOf(options);
  const { transport, leases, retryMs } = services;
  const slots = new Slots(options.concurrency ?? 1);
  const room = new HostRoom(services);
  const ending = new AbortController();
  const { signal } = ending;
  const take = (spec: ConsumerSpec, admit?: Admit) =>
    takeEvents({
      ...{ transport, spec, slots, admit, retryMs, signal },
      handle: (delivery, onWorked) => handled(delivery, services, onWorked),
    });

  const own = ownSpec(services);
  const common = options.shared === false ? [] : [commonSpec(services)];
  const loops = [take(own), ...common.map((spec) => take(spec, room.admit))];
  const answering = [hearNudges(services, signal), room.serve(signal)];
  const consuming = [own, ...common].map((spec) => retry(() => transport.ensureConsumer(spec), { signal }));
  const ready = Promise.all([...answering, ...consuming]).then(() => {});
  ready.catch(() => {});

  async function drain(ms: number): Promise<void> {
    ending.abort(new Error("Draining"));
    const settled = Promise.all(loops).then(() => slots.idle());
    if (!await isWithin(settled, ms)) leases.stop("shutdown");
    if (!await isWithin(settled, services.settings.graceMs + services.cleanupMs)) leases.abandon();
    await isWithin(settled, LEAVE_MS);
    for (const open of answering) await (await open?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }

  return {
    get inHand() {
      return slots.inHand;
    },
    get whyFull() {
      return room.whyFull;
    },
    get fullMs() {
      return room.fullMs;
    },
    ready,
    refuse: (event) => refuseEarly(event, services, signal),
    drain,
    [Symbol.asyncDispose]: () => drain(0),
  };
}

function servicesOf(options: InstanceOptions): HandleServices {
  const { driver, resources = driver.resources, transport, docker, settings } = options;
  checkNames({ name: driver.name, resources });
  return {
    driver,
    resources,
    transport,
    docker,
    settings,
    policy: options.policy,
    instance: options.instance ?? crypto.randomUUID(),
    claimsOnly: options.claimsOnly ?? false,
    maxEventAgeMs: options.maxEventAgeMs ?? Infinity,
    ackWaitMs: options.ackWaitMs ?? ACK_WAIT_MS,
    retryMs: options.retryMs ?? RETRY_MS,
    cleanupMs: options.cleanupMs ?? CLEANUP_MS,
    reportMs: options.reportMs ?? REPORT_MS,
    clock: options.clock ?? systemClock,
    faultPoint: options.faultPoint ?? noFaults,
    observer: options.observer ?? noObserver,
    leases: new Leases(),
    liveLines: new LiveLines({ transport }),
    isAnswered: options.isAnswered,
    askRun: options.askRun ?? askEngine(transport, driver.name),
    settled: new RecentSet(REMEMBERED),
  };
}

/** The consumer of events that are addressed to this host. */
function ownSpec({ driver, resources, settings, ackWaitMs }: HandleServices): ConsumerSpec {
  return {
    stream: "messages",
    name: consumers.onHost(driver.name, settings.host),
    filters: resources.map((type) => subjects.stepOnHost(driver.name, settings.host, type)),
    ackWaitMs,
  };
}

/** The consumer of events that any instance may take. */
function commonSpec({ driver, resources, ackWaitMs }: HandleServices): ConsumerSpec {
  return {
    stream: "messages",
    name: consumers.shared(driver.name),
    filters: resources.flatMap((type) => [subjects.resource(type), subjects.step(driver.name, type)]),
    ackWaitMs,
  };
}

/**
 * Handles a delivery. An error here is a defect of ours: it must neither end this process nor redeliver the
 * event for ever.
 */
async function handled(delivery: Delivery, services: HandleServices, onWorked: () => void): Promise<void> {
  try {
    await handle(delivery, services, onWorked);
  } catch (error) {
    const { subject, deliveries } = delivery;
    processLog("driver").error("Cannot handle an event on {subject}: {error}", { subject, error });
    const isLast = deliveries >= MOST_DELIVERIES;
    const end = () =>
      isLast ? delivery.term(messageOf(error)) : delivery.nak(backOff(deliveries, services.retryMs));
    services.observer.settled(isLast ? "refused" : "later");
    await retry(end, { tries: 3 }).catch(() => {});
  }
}

function hearNudges({ transport, leases }: HandleServices, signal: AbortSignal): Promise<AsyncDisposable> {
  const hear = () =>
    transport.listen(subjects.nudge("*"), ({ subject }) => leases.nudge(subject.split(".")[1] ?? ""));
  return retry(hear, { signal });
}
