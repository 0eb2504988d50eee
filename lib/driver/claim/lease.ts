import { type Clock, monotonicClock } from "../../base/clock.ts";
import { messageOf, Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { retry } from "../../base/retry.ts";
import { startTimer, stopTimer, type Timer } from "../../base/timers.ts";
import type { ClaimReply } from "../../wire/claim.ts";
import { StopError } from "../driver.ts";

export interface LeaseOptions {
  /** Tells the transport that the event is still being worked on. */
  readonly working: () => Promise<void>;
  /** Asks the engine whether to go on; without it nobody tells this step to stop. */
  readonly renew?: (() => Promise<ClaimReply>) | undefined;
  readonly attempt: number;
  /** Milliseconds from now in which the work has to be done. */
  readonly remainingMs?: number | undefined;
  /** Milliseconds until the next renewal; asked before each. */
  readonly heartbeatMs: () => number;
  /** Milliseconds that logs and results still have once the step was told to stop. */
  readonly reportMs: number;
  readonly clock: Clock;
}

/** How long a result may be tried to be sent where the work has no deadline, milliseconds. */
const SENDING_MS = 3_600_000;

/**
 * The right to work on one event. Kept alive with the transport and the engine until disposed; what the engine says about
 * it in between becomes `signal`. No answer means go on and ask again.
 */
export class Lease implements Disposable {
  readonly #options: LeaseOptions;
  readonly #work = new AbortController();
  readonly #report = new AbortController();
  /** The work's clock: fires, with a `StopError`, on cancel, timeout, loss of the claim and shutdown. */
  readonly signal: AbortSignal = this.#work.signal;
  /** The clock of logs and results: goes on for a while after the work was told to stop; fires when the claim is lost. */
  readonly reportSignal: AbortSignal = this.#report.signal;
  /** Milliseconds since the epoch, as the clock was when that was heard. */
  deadline: number | undefined;
  /** Another attempt has taken over, or a result is recorded: nothing of this one counts any more. */
  isLost = false;
  #heartbeat: Timer | undefined;
  /** The deadline in the monotonic clock. */
  #over: number | undefined;
  #deadlineTimer: Timer | undefined;
  #reportTimer: Timer | undefined;
  #isAsking = false;
  #isNudged = false;
  #isDisposed = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#remain(options.remainingMs);
    this.#beatOn();
  }

  /** Asks whether the work is still ours, until there is an answer or the report's clock has ended. */
  async confirm(): Promise<boolean> {
    const { renew } = this.#options;
    if (!renew) return true;
    try {
      this.#heed(await retry(renew, { signal: this.reportSignal }));
      return !this.isLost;
    } catch (error) {
      if (!(error instanceof Retryable)) throw error;
      return false;
    }
  }

  /** The engine has something to say: asks it now. */
  nudge(): void {
    this.#isNudged = true;
    this.#renew();
  }

  /** Tells the work to stop; the first reason counts. */
  stop(reason: string): void {
    this.#work.abort(new StopError(reason));
    this.#reportWithin(this.#options.reportMs);
  }

  /** The work is done: its report has what is left of its time, and `reportMs` at least. */
  workDone(): void {
    const leftMs = this.#over === undefined ? SENDING_MS : this.#over - monotonicClock();
    this.#reportWithin(Math.max(this.#options.reportMs, leftMs));
  }

  #reportWithin(ms: number): void {
    if (this.#isDisposed || this.#reportTimer !== undefined) return;
    this.#reportTimer = startTimer(() => this.#report.abort(new StopError("timeout")), ms);
  }

  /** Ends both clocks at once: this process leaves. */
  abandon(): void {
    this.stop("shutdown");
    this.#report.abort(new StopError("shutdown"));
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    stopTimer(this.#heartbeat);
    stopTimer(this.#deadlineTimer);
    stopTimer(this.#reportTimer);
  }

  #beatOn(): void {
    this.#heartbeat = startTimer(() => {
      this.#working();
      this.#renew();
      this.#beatOn();
    }, this.#options.heartbeatMs());
  }

  #working(): void {
    this.#options.working().catch((error) => {
      processLog("driver").debug("Cannot keep the event: {error}", { error: messageOf(error) });
    });
  }

  /** Never rejects. */
  async #renew(): Promise<void> {
    const { renew } = this.#options;
    if (!renew || this.#isAsking || this.#isDisposed) return;
    this.#isAsking = true;
    this.#isNudged = false;
    try {
      this.#heed(await renew());
    } catch (error) {
      processLog("driver").debug("Cannot renew the claim, going on: {error}", { error: messageOf(error) });
    } finally {
      this.#isAsking = false;
    }
    if (this.#isNudged) this.#renew();
  }

  #heed(reply: ClaimReply): void {
    if (this.#isDisposed) return;
    if (reply.answer === "go" && reply.attempt === this.#options.attempt) {
      return this.#remain(reply.remainingMs);
    }
    if (reply.answer === "stop" && reply.reason !== "driver-lost") return this.stop(reply.reason);
    this.isLost = true;
    this.stop("driver-lost");
    this.#report.abort(new StopError("driver-lost"));
  }

  #remain(ms: number | undefined): void {
    if (ms === undefined) return;
    stopTimer(this.#deadlineTimer);
    this.deadline = this.#options.clock() + ms;
    this.#over = monotonicClock() + ms;
    this.#deadlineTimer = startTimer(() => this.stop("timeout"), ms);
  }
}
