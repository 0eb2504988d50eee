import { subjects } from "../../wire/subjects.ts";
import type { SignedMessage } from "../../wire/signature.ts";
import { factsOf } from "./log-batch.ts";

/** The header with a message's id. */
const ID = "Nats-Msg-Id";

/**
 * Tells whether a batch of the run's log comes from whoever may write it. `data` may be a function where the body was not read:
 * only a batch whose body says whose it is needs it.
 */
export type IsGenuine = (
  run: string,
  message: SignedMessage,
  data: Uint8Array | (() => Promise<Uint8Array | undefined>),
) => Promise<boolean>;

/**
 * Lets through the batches of one run's log, in their order, that somebody was entitled to write and that were not there
 * before: a genuine one that is published again later is no new one.
 */
export class LogGate {
  readonly #run: string;
  readonly #isGenuine: IsGenuine;
  /** The line after the last one, by attempt at a step. */
  readonly #next = new Map<string, number>();

  constructor(run: string, isGenuine: IsGenuine) {
    this.#run = run;
    this.#isGenuine = isGenuine;
  }

  async admits(
    headers: Readonly<Record<string, string>>,
    data: Uint8Array | (() => Promise<Uint8Array | undefined>),
  ): Promise<boolean> {
    const id = headers[ID];
    const subject = subjects.logs(this.#run);
    if (!await this.#isGenuine(this.#run, { subject, id, headers }, data)) return false;
    const [, attempt = "", first = ""] = /^(.*)\/([1-9]\d*)$/.exec(id ?? "") ?? [];
    if (attempt === "") return true;
    const at = Number(first);
    if (at < (this.#next.get(attempt) ?? 1)) return false;
    this.#next.set(attempt, at + factsOf(headers, new Uint8Array()).lines);
    return true;
  }
}
