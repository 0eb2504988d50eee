import type { Transport } from "../../backend/transport.ts";
import { parseOwnJson } from "../../base/json.ts";
import { delay } from "../../base/signals.ts";

/** How many lines are shown per pause: about as many as Conveyor's own drivers write. */
const AT_ONCE = 32;
const PAUSE_MS = 10;
/** The most lines that are shown after a longer pause (on a busy machine). */
const MOST_AT_ONCE = 64;
/** The most characters that wait to be shown; lines beyond that are only stored. */
const MOST_WAITING = 8 * 1024 * 1024;

interface Waiting {
  lines: string[];
  size: number;
  /** How many lines were left out because too many were waiting. */
  left: number;
}

export interface LiveLinesOptions {
  readonly transport: Pick<Transport, "broadcast">;
  /** Resolves when more lines may be shown. */
  readonly pause?: () => Promise<void>;
}

/**
 * Broadcasts stored lines to live viewers, in order. A Conveyor server keeps 256 lines for each viewer and
 * drops more, so a burst is shown a few lines at a time, if need be after the step has ended. Live copies may
 * be lost: viewers can read the stored log.
 */
export class LiveLines {
  readonly #transport: Pick<Transport, "broadcast">;
  readonly #pause: () => Promise<void>;
  /** By subject; only those with waiting lines, or lines that were just shown. */
  readonly #waiting = new Map<string, Waiting>();

  constructor({ transport, pause = () => delay(PAUSE_MS) }: LiveLinesOptions) {
    this.#transport = transport;
    this.#pause = pause;
  }

  /** Queues a line: a Log with only Conveyor's own fields, as JSON. */
  show(subject: string, line: string): void {
    const waiting = this.#waiting.get(subject);
    if (!waiting) {
      const begun = { lines: [line], size: line.length, left: 0 };
      this.#waiting.set(subject, begun);
      void this.#showAll(subject, begun);
    } else if (waiting.size > MOST_WAITING) {
      waiting.left++;
    } else {
      waiting.lines.push(line);
      waiting.size += line.length;
    }
  }

  /** Never rejects. */
  async #showAll(subject: string, waiting: Waiting): Promise<void> {
    // Lines of the same turn are shown together.
    await Promise.resolve();
    for (let count = AT_ONCE; waiting.lines.length > 0;) {
      const some = waiting.lines.splice(0, count);
      for (const line of some) waiting.size -= line.length;
      if (waiting.lines.length === 0 && waiting.left > 0) {
        some.push(leftOut(some.at(-1) ?? "{}", waiting.left));
        waiting.left = 0;
      }
      await Promise.allSettled(some.map((line) => this.#transport.broadcast(subject, line)));
      const paused = performance.now();
      await this.#pause();
      const due = (performance.now() - paused) / PAUSE_MS * AT_ONCE;
      count = Math.min(Math.max(AT_ONCE, Math.floor(due)), MOST_AT_ONCE);
    }
    this.#waiting.delete(subject);
  }
}

/** Makes a line like the one before it, which says how many lines were left out. */
function leftOut(before: string, count: number): string {
  const message = `… ${count} lines arrived too fast to be shown here; they are in the stored log`;
  return JSON.stringify({ ...parseOwnJson<object>(before), message });
}
