import { AssertionError } from "node:assert";
import type { ConsumerSpec, Delivery, Transport } from "../../../lib/backend/transport.ts";
import { paced } from "../../support/pace.ts";
import { within } from "../../support/within.ts";

export { within };

/** A transport under test, on a backend that holds nothing yet. */
export interface Opened extends AsyncDisposable {
  readonly transport: Transport;
  /**
   * An instance on the same backend and scope: a second one, where a process can have two, or the same. Once
   * `transport` is disposed, a new one on what it left.
   */
  another(): Promise<Transport>;
  /** What `putBlob` stored, or undefined where there is nothing under that name. */
  readBlob(run: string, name: string): Promise<Uint8Array | undefined>;
}

export type Open = () => Promise<Opened>;

/** One consumer's deliveries, asked for one by one. */
export interface Puller extends AsyncDisposable {
  /** The next one; fails the test where none comes. */
  next(): Promise<Delivery>;
  /** The next one, acked. */
  take(): Promise<Delivery>;
  /** True once the iteration has returned. */
  ended(): Promise<boolean>;
  /** Fires the signal. */
  stop(): void;
}

/** An ack wait that never passes during a test. */
const LONG = 60_000;

/** Ack waits and the like that pass during a test, milliseconds. */
const LEASES_MS = [300, 1000, 3000];

/**
 * Tests what happens within and after an ack wait, or between heartbeats, of so many milliseconds. If the
 * machine stops for that long, things happen in another order than the test expects, so it starts again with
 * a longer one. A fault fails with every length.
 */
export async function leased(work: (leaseMs: number) => Promise<void>): Promise<void> {
  for (const leaseMs of LEASES_MS) {
    try {
      return await work(paced(leaseMs));
    } catch (error) {
      if (leaseMs === LEASES_MS.at(-1) || !(error instanceof AssertionError)) throw error;
    }
  }
}

/** A consumer of the `messages` stream. */
export function spec(name: string, filters: string[], ackWaitMs = LONG): ConsumerSpec {
  return { stream: "messages", name, filters, ackWaitMs };
}

export function pull(transport: Transport, consumer: ConsumerSpec): Puller {
  const controller = new AbortController();
  const iterator = transport.consume(consumer, { signal: controller.signal })[Symbol.asyncIterator]();
  const next = async () => {
    const result = await within(iterator.next(), `a message for ${consumer.name}`);
    if (result.done) throw new Error(`The messages for ${consumer.name} have ended`);
    return result.value;
  };
  const stop = () => controller.abort(new Error("Stopped by the test"));
  return {
    next,
    take: async () => {
      const delivery = await next();
      await delivery.ack();
      return delivery;
    },
    ended: async () =>
      (await within(iterator.next(), `the end of the messages for ${consumer.name}`)).done === true,
    stop,
    [Symbol.asyncDispose]: async () => {
      stop();
      await iterator.return?.();
    },
  };
}

export const text = (message: { data: Uint8Array }): string => new TextDecoder().decode(message.data);

/** `pieces` as a source of bytes. */
export async function* bytes(...pieces: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    await Promise.resolve();
    yield typeof piece === "string" ? new TextEncoder().encode(piece) : piece;
  }
}
