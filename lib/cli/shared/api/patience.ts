import type { Clock } from "../../../base/clock.ts";
import { UnavailableError } from "../../../base/errors.ts";
import { delay } from "../../../base/signals.ts";
import { ApiAwayError } from "./call.ts";

export interface PatienceOptions {
  readonly clock: Clock;
  /** How long a control plane may be unreachable, milliseconds. */
  readonly patienceMs: number;
  /** Hint of the final error. */
  readonly hint: string;
  /** Called once whenever it becomes unreachable. */
  readonly onAway: (error: ApiAwayError) => void;
}

/** Pause between attempts to reconnect, milliseconds. */
const PAUSE_MS = 1000;

/** Limits how long a control plane may be unreachable. */
export class Patience {
  readonly #options: PatienceOptions;
  #since: number | undefined;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** Resets the time: the control plane has answered. */
  isBack(): void {
    this.#since = undefined;
  }

  /**
   * Waits before the next attempt. Throws UnavailableError once the time is over, and any error other than
   * ApiAwayError immediately.
   */
  async bear(error: unknown): Promise<void> {
    if (!(error instanceof ApiAwayError)) throw error;
    const { clock, patienceMs, hint, onAway } = this.#options;
    if (this.#since === undefined) {
      this.#since = clock();
      onAway(error);
    } else if (clock() - this.#since >= patienceMs) {
      throw new UnavailableError(error.message, { cause: error.cause, hint });
    }
    await delay(Math.min(PAUSE_MS, patienceMs));
  }
}
