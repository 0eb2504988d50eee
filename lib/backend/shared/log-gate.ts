import { subjects } from "../../wire/subjects.ts";
import type { SignedMessage } from "../../wire/signature.ts";
import { factsOf } from "./log-batch.ts";

/** The message id's header. */
const ID = "Nats-Msg-Id";

/**
 * Returns whether a batch of the run's log was written by an authorised sender. `data` may be a function that
 * loads the body: it is needed only if the headers do not name the sender.
 */
export type IsGenuine = (
  run: string,
  message: SignedMessage,
  data: Uint8Array | (() => Promise<Uint8Array | undefined>),
) => Promise<boolean>;

/**
 * Filters the batches of one run's log, in order: rejects those of unauthorised senders, and repetitions of
 * genuine ones that were published again later.
 */
export class LogGate {
  readonly #run: string;
  readonly #isGenuine: IsGenuine;
  /** Number of the next line, by attempt at a step. */
  readonly #next = new Map<string, number>();
  /** The number of lines of the same attempt that are missing before the batch that was admitted last. */
  missing = 0;

  readonly #isResumed: boolean;

  /**
   * `isResumed`: the reader continues after what it has, of which the store may have removed some. What is
   * before an attempt's first batch here is then not known to be missing.
   */
  constructor(run: string, isGenuine: IsGenuine, { isResumed = false }: { isResumed?: boolean } = {}) {
    this.#run = run;
    this.#isGenuine = isGenuine;
    this.#isResumed = isResumed;
  }

  async admits(
    headers: Readonly<Record<string, string>>,
    data: Uint8Array | (() => Promise<Uint8Array | undefined>),
  ): Promise<boolean> {
    const id = headers[ID];
    const subject = subjects.logs(this.#run);
    if (!await this.#isGenuine(this.#run, { subject, id, headers }, data)) return false;
    const [, attempt = "", first = ""] = /^(.*)\/([1-9]\d*)$/.exec(id ?? "") ?? [];
    this.missing = 0;
    if (attempt === "") return true;
    const at = Number(first);
    const next = this.#next.get(attempt) ?? 1;
    if (at < next) return false;
    this.missing = this.#isResumed && !this.#next.has(attempt) ? 0 : at - next;
    this.#next.set(attempt, at + factsOf(headers, new Uint8Array()).lines);
    return true;
  }
}
