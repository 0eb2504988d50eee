import type { Delivery } from "../../backend/transport.ts";
import type { BrokenEvent, DriverEvent } from "./decode.ts";
import { type EventFacts, eventFacts } from "./event-facts.ts";

/** An event that this instance has in hand: how it came, and what it says. */
export interface EventInHand<Event = DriverEvent | BrokenEvent> {
  readonly delivery: Delivery;
  readonly event: Event;
  readonly facts: EventFacts;
  /** When it came, in `performance.now()`. */
  readonly began: number;
  /** Milliseconds until its next sign of life; asked before each. */
  readonly heartbeatMs: () => number;
}

/** Conveyor's own drivers set the consumer that they share with us back to an ack wait of 30 s whenever one starts. */
const MOST_HEARTBEAT_MS = 30_000 / 3;

/** Takes a delivery in hand that was understood so far. */
export function eventInHand(
  delivery: Delivery,
  event: DriverEvent | BrokenEvent,
  { driver, ackWaitMs }: { driver: { readonly name: string }; ackWaitMs: number },
): EventInHand {
  return {
    delivery,
    event,
    facts: eventFacts(delivery, event, driver.name),
    began: performance.now(),
    heartbeatMs: () => heartbeatMs(delivery.ackWaitMs, ackWaitMs),
  };
}

/**
 * A third of the ack wait. The consumer is shared: another driver may have shortened it, and then the event would be theirs before
 * we say anything. Where it is longer than ours, ours counts: an engine waits for a claim's renewal no longer than it was told.
 */
export function heartbeatMs(consumersMs: number, ownMs: number): number {
  return Math.min(Math.min(consumersMs, ownMs) / 3, MOST_HEARTBEAT_MS);
}
