import { parseJson } from "../../base/json.ts";
import { Retryable } from "../../base/errors.ts";
import { AliveReply } from "../../wire/alive.ts";
import { subjects } from "../../wire/subjects.ts";
import type { Transport } from "../../backend/transport.ts";

/**
 * What is known of a run that has something on this host. `over`: it has ended, or nobody will go on with it. `waits`: the event
 * of the asking driver is in the queue and nobody works on it, so what an earlier attempt of this step left is worth nothing.
 * `idle`: nothing is done in it until somebody starts another driver. `works`: all else.
 */
export type RunState = "over" | "waits" | "idle" | "works";

/** What a container's labels say about its run, for those who cannot ask an engine of ours. */
export interface RunFacts {
  /** The resource's type, name and id. */
  readonly type: string;
  readonly name: string;
  readonly id: string;
  /** The event that the container was made for. */
  readonly event: string;
}

/** Answers undefined where nobody knows. Throws where somebody who knows cannot be asked. */
export type AskRun = (
  run: string,
  facts: RunFacts,
  options: { signal: AbortSignal },
) => Promise<RunState | undefined>;

const ANSWER_MS = 5000;
/** Characters of an answer. */
const MOST_ANSWERED = 64 * 1024;

/** Asks the engine, on behalf of a driver. Undefined where no engine answers. */
export function askEngine(transport: Transport, driver: string): AskRun {
  return async (run, _facts, { signal }) => {
    let answer: Uint8Array;
    try {
      answer = await transport.request(subjects.alive(run), "", { timeoutMs: ANSWER_MS, signal });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Retryable) return undefined;
      throw error;
    }
    const { alive, waitsFor } = AliveReply.parse(
      parseJson(new TextDecoder().decode(answer), { maxLength: MOST_ANSWERED }),
    );
    return !alive ? "over" : waitsFor === driver ? "waits" : "works";
  };
}
