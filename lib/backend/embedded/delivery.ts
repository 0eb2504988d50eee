import type { Clock } from "../../base/clock.ts";
import type { Delivery } from "../transport.ts";
import type { Consumer } from "./consumers.ts";
import type { Database } from "./database.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Lifetime } from "./lifetime.ts";
import type { MessageSource, StoredMessage } from "./messages.ts";
import type { Pending, PendingTable } from "./pending.ts";

/** Dependencies of a delivery. */
export interface Desk {
  readonly database: Database;
  readonly lifetime: Lifetime;
  readonly clock: Clock;
  readonly pending: PendingTable;
  readonly deadLetters: DeadLetters;
  readonly source: MessageSource;
}

/**
 * Delivers a message: records the delivery and makes it the only one that may settle the message. Once the
 * message is settled or delivered again, calls on this delivery do nothing; a late ack still counts if there
 * was no newer delivery.
 */
export function deliver(desk: Desk, consumer: Consumer, before: Pending, message: StoredMessage): Delivery {
  const { database, lifetime, clock, pending, source } = desk;
  const { seq } = before;
  const now: Pending = { seq, deliveries: before.deliveries + 1 };
  pending.hold(consumer, now, clock() + consumer.ackWaitMs);

  /** Runs `work` only while this is the message's last delivery and it is not settled. */
  const call = (work: () => void) =>
    lifetime.call(() => {
      if (consumer.inHand.get(seq) === delivery) work();
    });
  const settle = (also: () => void) => {
    database.write(() => {
      pending.remove(consumer, seq);
      source.done(seq);
      also();
    });
    consumer.inHand.delete(seq);
  };

  const delivery: Delivery = {
    ...message,
    deliveries: now.deliveries,
    get ackWaitMs() {
      return consumer.ackWaitMs;
    },
    ack: () => call(() => settle(() => {})),
    term: (reason) => call(() => settle(() => desk.deadLetters.add(consumer, message, reason))),
    nak: (delayMs = 0) =>
      call(() => {
        pending.release(consumer, seq, clock() + Math.max(0, delayMs));
        consumer.inHand.delete(seq);
        consumer.notifier.notify();
      }),
    working: () => call(() => pending.hold(consumer, now, clock() + consumer.ackWaitMs)),
  };
  consumer.inHand.set(seq, delivery);
  return delivery;
}
