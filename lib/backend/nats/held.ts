import { JetStreamApiCodes, type JetStreamManager } from "@nats-io/jetstream";
import { matches, type StreamName, STREAMS } from "../../wire/subjects.ts";
import { apiCode } from "./calls.ts";
import { resent } from "./resent.ts";

/** Maximum number of ids kept in memory. */
const MAX_KNOWN = 50_000;

/**
 * Index from message id to stream sequence (JetStream has none): filled by our own publishes and by reading
 * the rest of the stream on demand. When it is full it forgets the oldest ids; these are then searched for in
 * the stream. Other streams remove a message that no consumer needs; the log stream keeps it, so there the
 * consumers are checked too.
 */
export class Held {
  readonly #manager: JetStreamManager;
  readonly #stream: StreamName;
  readonly #maxKnown: number;
  readonly #known = new Map<string, number>();
  /** Every message up to this sequence has been read; only `#read` increases it. */
  #readTo = 0;
  /** Ids up to this sequence may have been forgotten; only `learn` increases it. */
  #forgottenTo = 0;
  #created = "";

  constructor(manager: JetStreamManager, stream: StreamName, maxKnown = MAX_KNOWN) {
    this.#manager = manager;
    this.#stream = stream;
    this.#maxKnown = maxKnown;
  }

  learn(id: string, seq: number): void {
    this.#known.delete(id);
    this.#known.set(id, seq);
    if (this.#known.size <= this.#maxKnown) return;
    for (const [oldest, at] of this.#known) {
      this.#known.delete(oldest);
      this.#forgottenTo = Math.max(this.#forgottenTo, at);
      return;
    }
  }

  async has(id: string): Promise<boolean> {
    const known = this.#known.get(id);
    if (known !== undefined) {
      const subject = await this.#subjectAt(known, id);
      if (subject !== undefined) return await this.#isHeld(subject, known);
      if (this.#known.get(id) === known) this.#known.delete(id);
    }
    const seq = await this.#find(id);
    const subject = seq === undefined ? undefined : await this.#subjectAt(seq, id);
    return seq !== undefined && subject !== undefined && await this.#isHeld(subject, seq);
  }

  async #isHeld(subject: string, seq: number): Promise<boolean> {
    return STREAMS[this.#stream].retention !== "limits" || await this.#isWanted(subject, seq);
  }

  async #find(id: string): Promise<number | undefined> {
    await this.#read();
    return this.#known.get(id) ?? await this.#search(id);
  }

  /** Reads what has been stored since the last call. */
  async #read(): Promise<void> {
    const { state, created } = await resent(() => this.#manager.streams.info(this.#stream));
    if (created !== this.#created) this.#startOver(created);
    while (this.#readTo < state.last_seq) {
      const message = await this.#get({ seq: this.#readTo + 1, next_by_subj: ">" });
      // The stream was replaced while it was read; discard the rest.
      if (created !== this.#created) return;
      if (!message) {
        this.#readTo = Math.max(this.#readTo, state.last_seq);
        break;
      }
      const id = message.header?.get("Nats-Msg-Id");
      if (id) this.learn(id, message.seq);
      this.#readTo = Math.max(this.#readTo, message.seq);
    }
    // Messages below the stream's first sequence no longer exist, so there is nothing to search for.
    if (this.#forgottenTo < state.first_seq) this.#forgottenTo = 0;
  }

  /** Clears the index if the stream was deleted and created again. */
  #startOver(created: string): void {
    if (this.#created !== "") {
      this.#known.clear();
      this.#readTo = 0;
      this.#forgottenTo = 0;
    }
    this.#created = created;
  }

  /** Searches the messages whose ids may have been forgotten, without adding them to the index. */
  async #search(id: string): Promise<number | undefined> {
    for (let seq = 1; seq <= this.#forgottenTo;) {
      const message = await this.#get({ seq, next_by_subj: ">" });
      if (!message) return undefined;
      if (message.header?.get("Nats-Msg-Id") === id) return message.seq;
      seq = message.seq + 1;
    }
    return undefined;
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

  /**
   * True if a consumer has not acked the message yet. Uses the ack floor, so a message acked out of order
   * counts as not acked.
   */
  async #isWanted(subject: string, seq: number): Promise<boolean> {
    for await (const { config, ack_floor } of this.#manager.consumers.list(this.#stream)) {
      const filters = config.filter_subjects ?? [config.filter_subject ?? ">"];
      if (ack_floor.stream_seq < seq && filters.some((filter) => matches(filter, subject))) return true;
    }
    return false;
  }
}
