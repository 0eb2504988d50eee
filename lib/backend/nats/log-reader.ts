import type { JetStreamManager } from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/transport-node";
import { InputError } from "../../base/errors.ts";
import { HEADERS } from "../../wire/headers.ts";
import type { Log } from "../../wire/messages.ts";
import { subjects } from "../../wire/subjects.ts";
import type { Lifetime } from "../embedded/lifetime.ts";
import { factsOf, linesOf } from "../shared/log-batch.ts";
import { type IsGenuine, LogGate } from "../shared/log-gate.ts";
import type { LogBatch, LogReader } from "../store.ts";
import type { Link } from "./link.ts";
import { ID_HEADER } from "./delivery.ts";
import { orderedMessages } from "./ordered.ts";
import type { StreamMessage } from "./read-consumer.ts";
import { storedMessage } from "./stored.ts";

const STREAM = "logs-engine";
/** How many messages of all runs, counted from the end, `tail` reads first; then more. */
const TAIL_WINDOW = 64;

/** A reader's cursor: the sequence of the last batch that it has, and the number of the next line. */
interface Position {
  readonly seq: number;
  readonly line: number;
}

/** Reads logs from the log stream. */
export function logReader(
  link: Link,
  manager: JetStreamManager,
  lifetime: Lifetime,
  { isGenuine = () => Promise.resolve(true), isRemoved }: {
    isGenuine?: IsGenuine | undefined;
    isRemoved: (run: string) => Promise<boolean>;
  },
): LogReader {
  return new NatsLogReader(new LogStream(link, manager), lifetime, isGenuine, isRemoved);
}

class NatsLogReader implements LogReader {
  readonly #stream: LogStream;
  readonly #lifetime: Lifetime;
  readonly #isGenuine: IsGenuine;
  /** The stream removes each message at its age. */
  readonly expiresLines = true;
  readonly isRemoved: (run: string) => Promise<boolean>;

  constructor(
    stream: LogStream,
    lifetime: Lifetime,
    isGenuine: IsGenuine,
    isRemoved: (run: string) => Promise<boolean>,
  ) {
    this.isRemoved = isRemoved;
    this.#stream = stream;
    this.#lifetime = lifetime;
    this.#isGenuine = isGenuine;
  }

  async *read(
    run: string,
    { after, follow = false, signal }: { after?: string; follow?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<LogBatch> {
    this.#lifetime.check();
    const position = positionOf(after);
    if (!isToken(run)) return;
    const ending = signal ? AbortSignal.any([this.#lifetime.signal, signal]) : this.#lifetime.signal;
    const messages = follow
      ? this.#stream.follow(run, position.seq + 1, ending)
      : this.#stream.stored(run, position.seq + 1, ending);
    let line = position.line;
    const gate = new LogGate(run, this.#isGenuine, { isResumed: position.seq > 0 });
    if (position.seq > 0) await this.#passEarlier(gate, run, position.seq, ending);
    for await (const message of messages) {
      if (!await gate.admits(recordOf(message.headers), message.data)) continue;
      const batch = batchOf(run, message, line);
      yield gate.missing > 0 ? { ...batch.shown, missing: gate.missing } : batch.shown;
      if (ending.aborted) return;
      line = batch.next;
    }
  }

  tail(run: string, count: number, step?: string): Promise<Log[]> {
    return this.#lifetime.call(() => this.#tail(run, count, step));
  }

  count(run: string): Promise<number> {
    return this.#lifetime.call(async () => {
      let lines = 0;
      const gate = new LogGate(run, this.#isGenuine);
      for await (const { headers, seq } of this.#stream.stored(run, 1, this.#lifetime.signal, true)) {
        if (!await gate.admits(recordOf(headers), () => this.#stream.dataOf(seq))) continue;
        lines += factsOf(recordOf(headers), new Uint8Array()).lines;
      }
      return lines;
    });
  }

  /**
   * Passes the messages up to `seq` through the gate, so that a reader that continues after `seq` gets no
   * duplicates.
   */
  async #passEarlier(gate: LogGate, run: string, seq: number, signal: AbortSignal): Promise<void> {
    for await (const message of this.#stream.stored(run, 1, signal, true)) {
      if (message.seq > seq) return;
      await gate.admits(recordOf(message.headers), () => this.#stream.dataOf(message.seq));
    }
  }

  /** Reads ever larger windows at the end, since a stream cannot be read backwards. */
  async #tail(run: string, count: number, step: string | undefined): Promise<Log[]> {
    const end = count > 0 && isToken(run) ? await this.#stream.last(run) : undefined;
    if (!end) return [];
    const lines = await this.#linesIn(run, [ofStored(end)], step);
    if (lines.length >= count) return lines.slice(-count);
    for (let window = TAIL_WINDOW;; window *= 8) {
      const from = Math.max(1, end.seq - window);
      const messages = await Array.fromAsync(this.#stream.stored(run, from, this.#lifetime.signal));
      const lines = await this.#linesIn(run, messages, step);
      if (lines.length >= count || from === 1) return lines.slice(-count);
    }
  }

  async #linesIn(run: string, messages: StreamMessage[], step: string | undefined): Promise<Log[]> {
    const gate = new LogGate(run, this.#isGenuine);
    const lines: Log[] = [];
    for (const message of messages) {
      if (!await gate.admits(recordOf(message.headers), message.data)) continue;
      const { shown } = batchOf(run, message, 1);
      if (step === undefined || shown.step === step) lines.push(...shown.lines);
    }
    return lines;
  }
}

/** The messages of runs in the log stream. */
class LogStream {
  readonly #link: Link;
  readonly #manager: JetStreamManager;

  constructor(link: Link, manager: JetStreamManager) {
    this.#link = link;
    this.#manager = manager;
  }

  last(run: string) {
    return this.#get({ last_by_subj: subjects.logs(run) });
  }

  async dataOf(seq: number): Promise<Uint8Array | undefined> {
    return (await this.#get({ seq }))?.data;
  }

  /** Yields the batches stored so far. Mostly there is none or one, which needs no consumer. */
  async *stored(
    run: string,
    from: number,
    signal: AbortSignal,
    headersOnly = false,
  ): AsyncGenerator<StreamMessage> {
    if (signal.aborted || !isToken(run)) return;
    const first = await this.#get({ seq: from, next_by_subj: subjects.logs(run) });
    if (!first) return;
    yield ofStored(first);
    const end = (await this.last(run))?.seq ?? 0;
    if (end <= first.seq || signal.aborted) return;
    const isThere = async () => await this.last(run) !== undefined;
    for await (const message of this.follow(run, first.seq + 1, signal, { headersOnly, isThere })) {
      yield message;
      if (message.seq >= end) return;
    }
  }

  /** Yields the batches from a sequence on, also those to come. */
  follow(
    run: string,
    from: number,
    signal: AbortSignal,
    options: { headersOnly?: boolean; isThere?: () => Promise<boolean> } = {},
  ): AsyncGenerator<StreamMessage> {
    const wanted = { stream: STREAM, subject: subjects.logs(run), from, ...options };
    return orderedMessages(this.#link, wanted, signal);
  }

  #get(query: Parameters<typeof storedMessage>[2]) {
    return storedMessage(this.#manager, STREAM, query);
  }
}

const ofStored = (
  { seq, data, header, time }: NonNullable<Awaited<ReturnType<typeof storedMessage>>>,
): StreamMessage => ({ seq, data, headers: header, at: time.getTime() });

/** Returns the batch and the number of the line after it. */
function batchOf(
  run: string,
  { seq, data, headers, at }: StreamMessage,
  line: number,
): { shown: LogBatch; next: number } {
  const facts = factsOf(recordOf(headers), data);
  const { step, attempt } = facts;
  const next = line + facts.lines;
  const lines = linesOf({ run, at, data, ...facts });
  return { shown: { cursor: `${seq}.${next}`, firstSeq: line, step, attempt, lines }, next };
}

const OURS = [...Object.values(HEADERS), ID_HEADER];

function recordOf(headers: MsgHdrs | undefined): Record<string, string> {
  return Object.fromEntries(
    OURS.filter((name) => headers?.has(name)).map((name) => [name, headers?.get(name) ?? ""]),
  );
}

function positionOf(cursor: string | undefined): Position {
  if (cursor === undefined) return { seq: 0, line: 1 };
  const [, seq, line] = /^(\d{1,15})\.(\d{1,15})$/.exec(cursor) ?? [];
  if (seq === undefined) {
    throw new InputError(`Invalid cursor ${JSON.stringify(cursor)}: expected the cursor of a log batch`);
  }
  return { seq: Number(seq), line: Number(line) };
}

/** True if the id is one token of a subject; any other run has no log. */
const isToken = (run: string): boolean => /^[A-Za-z0-9_-]+$/.test(run);
