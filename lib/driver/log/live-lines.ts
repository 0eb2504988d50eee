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
/** Lines are shown again once fewer characters wait, so that gaps are few and long. */
const SOME_WAITING = MOST_WAITING / 2;

/** Lines that are left out, in their place among those that wait. */
interface Gap {
  readonly first: string;
  count: number;
}

interface Waiting {
  readonly lines: (string | Gap)[];
  size: number;
  /** The gap at the end of the lines, if there is one. */
  gap: Gap | undefined;
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
      const begun = { lines: [line], size: line.length, gap: undefined };
      this.#waiting.set(subject, begun);
      void this.#showAll(subject, begun);
    } else if (waiting.gap && waiting.size > SOME_WAITING) {
      waiting.gap.count++;
    } else if (waiting.size > MOST_WAITING) {
      waiting.gap = { first: line, count: 1 };
      waiting.lines.push(waiting.gap);
    } else {
      waiting.gap = undefined;
      waiting.lines.push(line);
      waiting.size += line.length;
    }
  }

  /** Never rejects. */
  async #showAll(subject: string, waiting: Waiting): Promise<void> {
    // Lines of the same turn are shown together.
    await Promise.resolve();
    for (let count = AT_ONCE; waiting.lines.length > 0;) {
      const some = waiting.lines.splice(0, count).map((one) => {
        if (typeof one !== "string") return leftOut(one);
        waiting.size -= one.length;
        return one;
      });
      if (waiting.lines.length === 0) waiting.gap = undefined;
      await Promise.allSettled(some.map((line) => this.#transport.broadcast(subject, line)));
      const paused = performance.now();
      await this.#pause();
      const due = (performance.now() - paused) / PAUSE_MS * AT_ONCE;
      count = Math.min(Math.max(AT_ONCE, Math.floor(due)), MOST_AT_ONCE);
    }
    this.#waiting.delete(subject);
  }
}

/** Makes a line like the first that was left out, which says how many were. */
function leftOut({ first, count }: Gap): string {
  const message = `… ${count} lines arrived too fast to be shown here; they are in the stored log`;
  return JSON.stringify({ ...parseOwnJson<object>(first), message });
}
