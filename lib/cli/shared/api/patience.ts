import type { Clock } from "../../../base/clock.ts";
import { UnavailableError } from "../../../base/errors.ts";
import { delay } from "../../../base/signals.ts";
import { ApiAwayError } from "./call.ts";

export interface PatienceOptions {
  readonly clock: Clock;
  /** How long a control plane may be away, milliseconds. */
  readonly patienceMs: number;
  /** Said when it is given up. */
  readonly hint: string;
  /** Told when it has gone away, once until it is back. */
  readonly onAway: (error: ApiAwayError) => void;
}

/** How often it is tried to reach it again, at most. */
const PAUSE_MS = 1000;

/** How long a control plane may be away before that is an error. */
export class Patience {
  readonly #options: PatienceOptions;
  #since: number | undefined;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** It has answered. */
  isBack(): void {
    this.#since = undefined;
  }

  /** Waits a little before the next try. Throws UnavailableError once it was away for too long, and any other error at once. */
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
