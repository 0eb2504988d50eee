import { messageOf } from "./errors.ts";
import { processLog } from "./log.ts";
import { pause } from "./retry.ts";

/** The parts of a process that currently fail, for its health check. */
export class Troubles {
  readonly #byPart = new Map<string, string>();

  /** Records that `part` fails, and why. */
  note(part: string, why: string): void {
    this.#byPart.set(part, why);
  }

  /** Records that `part` works. */
  clear(part: string): void {
    this.#byPart.delete(part);
  }

  /** Names of the parts that fail. */
  get parts(): string[] {
    return [...this.#byPart.keys()];
  }
}

export interface KeepGoingOptions {
  /** Name of the work in the process log and in `troubles`, like "Taking results". */
  readonly part: string;
  readonly category: string;
  readonly troubles: Troubles;
  readonly signal: AbortSignal;
  /** Delay before the first retry, milliseconds (default 500); doubled each time, up to 15 s. */
  readonly retryMs?: number;
}

/**
 * Runs `work` until `signal` fires. If it throws or returns earlier, it is run again after a pause, and the
 * part is in `troubles` meanwhile. `work` calls `isWell` once it works. Never throws.
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
