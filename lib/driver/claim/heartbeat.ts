import type { Delivery } from "../../backend/transport.ts";
import type { HandleParts } from "../parts.ts";

/** Conveyor's own drivers set the consumer that they share with us back to an ack wait of 30 s whenever one starts. */
const MOST_MS = 30_000 / 3;

/**
 * Milliseconds between two signs of life of an event in hand: a third of the ack wait. The consumer is shared: others may
 * have made its ack wait shorter than ours, and then the event would be theirs before we say anything. Where they have made
 * it longer, ours still counts: an engine waits for a claim's renewal no longer than it was told to itself.
 */
export function beatMs(
  { ackWaitMs }: Pick<Delivery, "ackWaitMs">,
  parts: Pick<HandleParts, "ackWaitMs">,
): number {
  return Math.min(Math.min(ackWaitMs, parts.ackWaitMs) / 3, MOST_MS);
}
