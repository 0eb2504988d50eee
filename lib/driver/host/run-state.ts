import { parseJson } from "../../base/json.ts";
import { Retryable } from "../../base/errors.ts";
import { AliveReply } from "../../wire/alive.ts";
import { subjects } from "../../wire/subjects.ts";
import type { Transport } from "../../backend/transport.ts";

/**
 * The state of a run that has containers or volumes on this host. `over`: it has ended or will not be
 * continued. `waits`: the asking driver's event is queued and nobody works on it, so leftovers of an earlier
 * attempt of this step are worthless. `idle`: nothing happens in it until somebody starts another driver.
 * `works`: anything else.
 */
export type RunState = "over" | "waits" | "idle" | "works";

/** A run's facts from a container's labels, for servers other than our engine. */
export interface RunFacts {
  /** The resource's type, name and id. */
  readonly type: string;
  readonly name: string;
  readonly id: string;
  /** The event that the container was made for. */
  readonly event: string;
}

/** Returns undefined if the state is unknown. Throws if a server that knows it cannot be asked. */
export type AskRun = (
  run: string,
  facts: RunFacts,
  options: { signal: AbortSignal },
) => Promise<RunState | undefined>;

const ANSWER_MS = 5000;
/** The most characters of an answer. */
const MOST_ANSWERED = 64 * 1024;

/** Asks the engine on behalf of a driver. Returns undefined if no engine answers. */
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
