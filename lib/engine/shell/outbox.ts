import type { Transport } from "../../backend/transport.ts";
import type { OutboxMessage } from "../../wire/run.ts";
import { consumers, subjects } from "../../wire/subjects.ts";
import { retry } from "../../base/retry.ts";

/**
 * How long a consumer is assumed to exist after it was seen, milliseconds. If it is removed meanwhile, the
 * transport does not keep the event; the scheduler notices that after the ack wait and sends the event again.
 */
const SEEN_MS = 5000;

/** Publishes the steps' events. */
export class Outbox {
  readonly #transport: Transport;
  readonly #ackWaitMs: number;
  /** When each subject's consumer was last seen, by `performance.now()`. */
  readonly #seen = new Map<string, number>();

  constructor(transport: Transport, ackWaitMs: number) {
    this.#transport = transport;
    this.#ackWaitMs = ackWaitMs;
  }

  /**
   * Publishes an event after ensuring the consumer that keeps it. Publishing twice is harmless: the transport
   * deduplicates by id. Throws what the transport throws.
   */
  async publish({ id, subject, headers, data }: OutboxMessage): Promise<void> {
    await this.ensureConsumer(subject);
    try {
      await retry(() => this.#transport.publish(subject, data, { id, headers }));
    } catch (error) {
      this.#seen.delete(subject);
      throw error;
    }
  }

  /** Ensures the consumer that keeps a step's event. Events of no step have none of their own. */
  async ensureConsumer(subject: string): Promise<void> {
    if (subject.startsWith(subjects.resource(""))) return;
    const seenAt = this.#seen.get(subject) ?? -Infinity;
    if (performance.now() - seenAt < SEEN_MS) return;
    const name = consumerOf(subject);
    const spec = { stream: "messages", name, filters: [subject], ackWaitMs: this.#ackWaitMs } as const;
    await retry(() => this.#transport.ensureConsumer(spec));
    this.#seen.set(subject, performance.now());
  }
}

/**
 * Returns the consumer's name for a subject `drivers.<driver>.resources.<type>` or
 * `drivers.<driver>.hosts.<host>.resources.<type>`.
 */
function consumerOf(subject: string): string {
  const [, driver = "", kind, host = ""] = subject.split(".");
  return kind === "hosts" ? consumers.onHost(driver, host) : consumers.shared(driver);
}
