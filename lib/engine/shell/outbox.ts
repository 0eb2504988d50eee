import type { Transport } from "../../backend/transport.ts";
import type { OutboxMessage } from "../../wire/run.ts";
import { consumers } from "../../wire/subjects.ts";
import { retry } from "../../base/retry.ts";

/**
 * How long a consumer that was seen is believed in, milliseconds. What is published for one that went away meanwhile is not
 * kept by the transport: the scheduler misses it after the ack wait, and sends it again.
 */
const SEEN_MS = 5000;

/** Publishes the steps' events. */
export class Outbox {
  readonly #transport: Transport;
  readonly #ackWaitMs: number;
  /** When the consumer of a subject was last seen, in `performance.now()`. */
  readonly #seen = new Map<string, number>();

  constructor(transport: Transport, ackWaitMs: number) {
    this.#transport = transport;
    this.#ackWaitMs = ackWaitMs;
  }

  /**
   * Publishes an event, after making sure that there is a consumer to keep it for. Doing it twice is harmless: the transport
   * knows the id. Throws what the transport threw.
   */
  async publish({ id, subject, headers, data }: OutboxMessage): Promise<void> {
    await this.#ensureConsumer(subject);
    try {
      await retry(() => this.#transport.publish(subject, data, { id, headers }));
    } catch (error) {
      this.#seen.delete(subject);
      throw error;
    }
  }

  async #ensureConsumer(subject: string): Promise<void> {
    const seenAt = this.#seen.get(subject) ?? -Infinity;
    if (performance.now() - seenAt < SEEN_MS) return;
    const name = consumerOf(subject);
    const spec = { stream: "messages", name, filters: [subject], ackWaitMs: this.#ackWaitMs } as const;
    await retry(() => this.#transport.ensureConsumer(spec));
    this.#seen.set(subject, performance.now());
  }
}

/** Of `drivers.<driver>.resources.<type>` and `drivers.<driver>.hosts.<host>.resources.<type>`. */
function consumerOf(subject: string): string {
  const [, driver = "", kind, host = ""] = subject.split(".");
  return kind === "hosts" ? consumers.onHost(driver, host) : consumers.shared(driver);
}
