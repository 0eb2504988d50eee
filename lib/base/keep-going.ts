import { messageOf } from "./errors.ts";
import { processLog } from "./log.ts";
import { pause } from "./retry.ts";

/** What keeps parts of a process from their work just now, for its health check. */
export class Troubles {
  readonly #byPart = new Map<string, string>();

  /** `part` does not work, and why. */
  note(part: string, why: string): void {
    this.#byPart.set(part, why);
  }

  /** `part` works. */
  clear(part: string): void {
    this.#byPart.delete(part);
  }

  /** Parts that do not work. */
  get parts(): string[] {
    return [...this.#byPart.keys()];
  }
}

export interface KeepGoingOptions {
  /** Names the work in the process log and in `troubles`: "Taking results". */
  readonly part: string;
  readonly category: string;
  readonly troubles: Troubles;
  readonly signal: AbortSignal;
  /** Before the first try again, milliseconds (default 500); doubled each time, up to 15 s. */
  readonly retryMs?: number;
}

/**
 * Runs `work`, which should not end before `signal` fires: again, after a pause, whenever it throws or returns earlier, and
 * meanwhile the part is among the troubles. `work` calls `isWell` when it has shown that it works. Never throws.
 */
export async function keepGoing(
  work: (isWell: () => void) => Promise<void>,
  { part, category, troubles, signal, retryMs = 500 }: KeepGoingOptions,
): Promise<void> {
  let failures = 0;
  const isWell = () => {
    failures = 0;
    troubles.clear(part);
  };
  while (!signal.aborted) {
    try {
      await work(isWell);
      if (signal.aborted) return;
      throw new Error("it ended by itself");
    } catch (error) {
      if (signal.aborted) return;
      failures++;
      const why = messageOf(error);
      troubles.note(part, why);
      processLog(category).error("{part} failed, will try again: {why}", { part, why });
    }
    await pause(failures, { firstMs: retryMs, signal });
  }
}
