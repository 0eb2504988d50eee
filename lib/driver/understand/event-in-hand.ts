import type { Delivery } from "../../backend/transport.ts";
import type { BrokenEvent, DriverEvent } from "./decode.ts";
import { type EventFacts, eventFacts } from "./event-facts.ts";

/** An event that this instance has in hand: its delivery and its content. */
export interface EventInHand<Event = DriverEvent | BrokenEvent> {
  readonly delivery: Delivery;
  readonly event: Event;
  readonly facts: EventFacts;
  /** When it arrived, in `performance.now()`. */
  readonly began: number;
  /** Milliseconds until its next heartbeat; called before each. */
  readonly heartbeatMs: () => number;
}

/** Conveyor's own drivers share our consumer and reset its ack wait to 30 s whenever one starts. */
const MOST_HEARTBEAT_MS = 30_000 / 3;

/** Reads the facts of a delivered event and starts its clock. */
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
 * Heartbeat interval: a third of the ack wait. The consumer is shared, and another driver may have shortened
 * its ack wait. If the consumer's ack wait is longer than ours, ours counts: an engine expects a claim's
 * renewal within the time it was told.
 */
export function heartbeatMs(consumersMs: number, ownMs: number): number {
  return Math.min(Math.ceil(Math.min(consumersMs, ownMs) / 3), MOST_HEARTBEAT_MS);
}
