import type { ConsumerSpec, Delivery, Transport } from "../../backend/transport.ts";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { HEADERS } from "../../wire/headers.ts";
import type { Slot, Slots } from "./slots.ts";
import { MOST_DELIVERIES } from "../report/outcome.ts";
import { type Admit, Requests } from "./requests.ts";
import { pause, retry } from "../../base/retry.ts";

export interface TakeOptions {
  readonly transport: Transport;
  readonly spec: ConsumerSpec;
  /** May be shared with other consumers. */
  readonly slots: Slots;
  /** Asked before each event, whatever the slots. */
  readonly admit?: Admit | undefined;
  /** Settles a delivery, whatever comes; calls `onWorked` when only its result is to be sent. Never rejects. */
  readonly handle: (delivery: Delivery, onWorked: () => void) => Promise<void>;
  /** Before taking is tried again, milliseconds; doubled each time. */
  readonly retryMs: number;
  /** Ends the taking. */
  readonly signal: AbortSignal;
}

/** Deliveries of an event without claims after which it is handled wherever it comes. */
const MOST_GIVEN_BACK = MOST_DELIVERIES / 2;
/** So many events may be awaited at once; more slots than that need no more to be kept busy. */
const MOST_AWAITED = 32;

/**
 * Takes a consumer's events, never more than there are free slots, so that another instance gets what this one could not
 * begin with at once. A slot is free again when the work is done, while its result is sent and its event acked. Resolves when `signal` fires; whatever goes wrong before is tried again.
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

/** As many events are awaited at once as there are free slots: the transport may ask for all of them in one request. */
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
      // What has ended for one has ended for all.
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
    // An event of another consumer has taken the last slot meanwhile.
    else await giveBack(delivery);
  }
}

/** The room there was when the event was asked for may have gone to others while it was awaited. Never rejects. */
async function handleIfRoom(delivery: Delivery, slot: Slot, options: TakeOptions): Promise<void> {
  const { admit, handle } = options;
  // A host's room is counted anew for each event: not while the last one is half gone.
  if (await isRoomLeft(delivery, options)) return await handle(delivery, () => admit || slot.free());
  // Where that fails too, the event goes to another instance after the ack wait.
  await giveBack(delivery).catch(() => {});
}

/**
 * Where nobody counts attempts but by deliveries, an event is given back a few times only: more often, and it would count as
 * one that is given up.
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
