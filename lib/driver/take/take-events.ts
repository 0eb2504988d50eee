import type { ConsumerSpec, Delivery, Transport } from "../../backend/transport.ts";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { HEADERS } from "../../wire/headers.ts";
import type { Slot, Slots } from "./slots.ts";
import { MOST_DELIVERIES } from "../report/disposition.ts";
import { type Admit, Requests } from "./requests.ts";
import { pause, retry } from "../../base/retry.ts";

export interface TakeOptions {
  readonly transport: Transport;
  readonly spec: ConsumerSpec;
  /** May be shared with other consumers. */
  readonly slots: Slots;
  /** Called before each event, in addition to the check for free slots. */
  readonly admit?: Admit | undefined;
  /**
   * Settles a delivery, whatever happens; calls `onWorked` once only the result remains to be sent. Never
   * rejects.
   */
  readonly handle: (delivery: Delivery, onWorked: () => void) => Promise<void>;
  /** The delay before taking events is retried, milliseconds; doubled each time. */
  readonly retryMs: number;
  /** Stops taking events. */
  readonly signal: AbortSignal;
}

/** After this many deliveries an event without claims is handled even if there is no room. */
const MOST_GIVEN_BACK = MOST_DELIVERIES / 2;
/** The most events that are awaited at once; more are not needed to keep any number of slots busy. */
const MOST_AWAITED = 32;

/**
 * Takes a consumer's events, at most as many as there are free slots, so that other instances get the rest. A
 * slot is free again when the work is done, before its result is sent and its event acked. Resolves when
 * `signal` aborts; any failure before that is retried.
 */
export async function takeEvents(options: TakeOptions): Promise<void> {
  const { spec, signal } = options;
  const requests = new Requests(options.slots, options.admit);
  for (let n = 1; !signal.aborted; n++) {
    try {
      await takeAll(options, requests, () => n = 0);
      if (!signal.aborted) throw new Error("The transport has ended it");
    } catch (error) {
      if (signal.aborted) return;
      processLog("driver").warn("Cannot take events of consumer {consumer}, trying again: {error}", {
        consumer: spec.name,
        error: messageOf(error),
      });
      await pause(n, { firstMs: options.retryMs, signal });
    }
  }
}

/** Awaits as many events at once as there are slots: the transport may request all of them at once. */
async function takeAll(options: TakeOptions, requests: Requests, onEvent: () => void): Promise<void> {
  const { transport, spec, slots, signal } = options;
  const ending = new AbortController();
  const until = AbortSignal.any([signal, ending.signal]);
  const events = transport.consume(spec, { signal })[Symbol.asyncIterator]();
  const takers = Array.from({ length: Math.min(slots.count, MOST_AWAITED) }, async () => {
    try {
      await takeOneByOne(events, options, requests, until, onEvent);
    } catch (error) {
      ending.abort(error);
      throw error;
    } finally {
      // The event stream has ended for all takers.
      ending.abort(new Error("The transport has ended it"));
      await events.return?.();
    }
  });
  await Promise.allSettled(takers);
  ending.signal.throwIfAborted();
}

async function takeOneByOne(
  events: AsyncIterator<Delivery, unknown>,
  options: TakeOptions,
  requests: Requests,
  signal: AbortSignal,
  onEvent: () => void,
): Promise<void> {
  const { slots } = options;
  for (;;) {
    const { delivery, slot } = await next(events, requests, slots, signal);
    if (!delivery) return;
    onEvent();
    if (slot) void handleIfRoom(delivery, slot, options).finally(() => slot.end());
    // Another consumer's event has taken the last slot meanwhile.
    else await giveBack(delivery);
  }
}

/** Checks for room again, which may have been taken while the event was awaited. Never rejects. */
async function handleIfRoom(delivery: Delivery, slot: Slot, options: TakeOptions): Promise<void> {
  const { admit, handle } = options;
  // With `admit`, the slot stays taken until the event is settled: the host's room must not be counted while
  // it is being freed.
  if (await isRoomLeft(delivery, options)) return await handle(delivery, () => admit || slot.free());
  // If that fails too, the event is redelivered after the ack wait.
  await giveBack(delivery).catch(() => {});
}

/**
 * Unclaimed events count attempts by deliveries, so return one only a few times before it looks abandoned.
 */
async function isRoomLeft(
  delivery: Delivery,
  { admit, slots, signal }: TakeOptions,
): Promise<boolean> {
  const { deliveries, headers } = delivery;
  if (!admit || (headers[HEADERS.claims] !== "1" && deliveries > MOST_GIVEN_BACK)) return true;
  try {
    return await admit(slots.inHand - 1, { here: delivery, signal });
  } catch (error) {
    if (!signal.aborted) {
      processLog("driver").warn("Cannot tell whether there is room for an event: {error}", {
        error: messageOf(error),
      });
    }
    return false;
  }
}

async function giveBack(delivery: Delivery): Promise<void> {
  await retry(() => delivery.nak(), { tries: 3 });
}

async function next(
  events: AsyncIterator<Delivery, unknown>,
  requests: Requests,
  slots: Slots,
  signal: AbortSignal,
): Promise<{ delivery?: Delivery; slot?: Slot | undefined }> {
  await requests.open(signal);
  try {
    const { done, value } = await events.next();
    return done ? {} : { delivery: value, slot: slots.take() };
  } finally {
    requests.close();
  }
}
