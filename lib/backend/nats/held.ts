import { JetStreamApiCodes, type JetStreamManager } from "@nats-io/jetstream";
import { matches, type StreamName, STREAMS } from "../../wire/subjects.ts";
import { apiCode } from "./calls.ts";
import { resent } from "./resent.ts";

/** Past this the index starts anew. */
const MAX_KNOWN = 50_000;

/**
 * Where messages lie in a stream, by id. JetStream has no such index, so this one is filled by what this process publishes
 * and, for ids of others, by reading what lies in the stream beyond what was read before. A message that nobody wants any
 * more is not in its stream any more; only the log stream keeps them, and there the consumers are asked.
 */
export class Held {
  readonly #manager: JetStreamManager;
  readonly #stream: StreamName;
  readonly #known = new Map<string, number>();
  #readTo = 0;

  constructor(manager: JetStreamManager, stream: StreamName) {
    this.#manager = manager;
    this.#stream = stream;
  }

  learn(id: string, seq: number): void {
    if (this.#known.size >= MAX_KNOWN) {
      this.#forget();
    }
    this.#known.set(id, seq);
  }

  #forget(): void {
    this.#known.clear();
    this.#readTo = 0;
  }

  async has(id: string): Promise<boolean> {
    if (!this.#known.has(id)) await this.#read();
    const seq = this.#known.get(id);
    if (seq === undefined) return false;
    const subject = await this.#subjectAt(seq, id);
    if (subject === undefined) {
      this.#known.delete(id);
      return false;
    }
    return STREAMS[this.#stream].retention !== "limits" || await this.#isWanted(subject, seq);
  }

  async #read(): Promise<void> {
    const { state } = await resent(() => this.#manager.streams.info(this.#stream));
    // Another stream of that name: what is known is of the one before.
    if (state.last_seq < this.#readTo) this.#forget();
    while (this.#readTo < state.last_seq) {
      const message = await this.#get({ seq: this.#readTo + 1, next_by_subj: ">" });
      if (!message) {
        this.#readTo = state.last_seq;
        return;
      }
      const id = message.header?.get("Nats-Msg-Id");
      if (id) this.learn(id, message.seq);
      this.#readTo = Math.max(this.#readTo, message.seq);
    }
  }

  async #subjectAt(seq: number, id: string): Promise<string | undefined> {
    const message = await this.#get({ seq });
    return message?.header?.get("Nats-Msg-Id") === id ? message.subject : undefined;
  }

  async #get(query: { seq: number; next_by_subj?: string }) {
    try {
      return await resent(() => this.#manager.streams.getMessage(this.#stream, query as { seq: number }));
    } catch (error) {
      if (apiCode(error) === JetStreamApiCodes.NoMessageFound) return null;
      throw error;
    }
  }

  /** Some consumer has it before itself, or may have: acked out of order counts as not acked yet. */
  async #isWanted(subject: string, seq: number): Promise<boolean> {
    for await (const { config, ack_floor } of this.#manager.consumers.list(this.#stream)) {
      const filters = config.filter_subjects ?? [config.filter_subject ?? ">"];
      if (ack_floor.stream_seq < seq && filters.some((filter) => matches(filter, subject))) return true;
    }
    return false;
  }
}
