import type { Transport } from "../../backend/transport.ts";
import { parseOwnJson } from "../../base/json.ts";
import { delay } from "../../base/signals.ts";

/** So many lines are shown in so long: about as many as Conveyor's own drivers write. */
const AT_ONCE = 32;
const PAUSE_MS = 10;
/** After a pause that was longer, on a busy machine, so many at most. */
const MOST_AT_ONCE = 64;
/** Characters that may wait to be shown; what comes when there are more is stored only. */
const MOST_WAITING = 8 * 1024 * 1024;

interface Waiting {
  lines: string[];
  size: number;
  /** How many lines came when there were too many. */
  left: number;
}

export interface LiveLinesOptions {
  readonly transport: Pick<Transport, "broadcast">;
  /** Resolves when more may be shown. */
  readonly pause?: () => Promise<void>;
}

/**
 * Shows stored lines to those who look on, in their order. A Conveyor server keeps 256 lines for each of them, and drops what
 * comes faster than they read. So what comes in a burst is shown a few lines at a time, after the step itself has ended if need
 * be. A live copy may get lost: the stored ones are read again.
 */
export class LiveLines {
  readonly #transport: Pick<Transport, "broadcast">;
  readonly #pause: () => Promise<void>;
  /** By subject; only those with lines that wait, or that were shown a moment ago. */
  readonly #waiting = new Map<string, Waiting>();

  constructor({ transport, pause = () => delay(PAUSE_MS) }: LiveLinesOptions) {
    this.#transport = transport;
    this.#pause = pause;
  }

  /** `line`: a Log of Conveyor's own fields, as JSON. */
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
    // What comes in the same turn is shown together.
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

/** A line like the one before it, which says what is missing after that. */
function leftOut(before: string, count: number): string {
  const message = `… ${count} lines came too fast to be shown here: they are in the stored log`;
  return JSON.stringify({ ...parseOwnJson<object>(before), message });
}
