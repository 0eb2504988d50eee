import type { ConsumerSpec, Delivery, Transport } from "../backend/transport.ts";
import { messageOf } from "../base/errors.ts";
import { processLog } from "../base/log.ts";
import { delay } from "../base/signals.ts";
import type { Hands } from "./hands.ts";
import { backOff, persist } from "./retry.ts";

export interface TakeOptions {
  readonly transport: Transport;
  readonly spec: ConsumerSpec;
  /** May be shared with other consumers. */
  readonly hands: Hands;
  /** Resolves when there is room for one more event, whatever the hands. */
  readonly admit?: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** Settles a delivery, whatever comes. */
  readonly handle: (delivery: Delivery) => Promise<void>;
  /** Before taking is tried again, milliseconds; doubled each time. */
  readonly retryMs: number;
  /** Ends the taking. */
  readonly signal: AbortSignal;
}

/**
 * Takes a consumer's events, one at a time and only while a hand is free, so that another instance gets what this one
 * could not begin with at once. Resolves when `signal` fires; whatever goes wrong before is tried again.
 */
export async function takeEvents(options: TakeOptions): Promise<void> {
  const { spec, signal } = options;
  for (let n = 1; !signal.aborted; n++) {
    try {
      await take(options, () => n = 0);
      if (!signal.aborted) throw new Error("The transport has ended it");
    } catch (error) {
      if (signal.aborted) return;
      processLog("driver").warn("Cannot take events of consumer {consumer}, trying again: {error}", {
        consumer: spec.name,
        error: messageOf(error),
      });
      await delay(backOff(n, options.retryMs), { signal }).catch(() => {});
    }
  }
}

async function take(options: TakeOptions, onEvent: () => void): Promise<void> {
  const { transport, spec, hands, admit, handle, signal } = options;
  const events = transport.consume(spec, { signal })[Symbol.asyncIterator]();
  try {
    for (;;) {
      await hands.free(signal);
      await admit?.(signal);
      const { done, value: delivery } = await events.next();
      if (done) return;
      onEvent();
      // An event of another consumer may have taken the last hand meanwhile.
      if (hands.take()) void handle(delivery).finally(() => hands.release());
      else await persist(() => delivery.nak(), { tries: 3 });
    }
  } finally {
    await events.return?.();
  }
}
