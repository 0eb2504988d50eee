import { type Clock, monotonicClock } from "../../base/clock.ts";
import { messageOf, Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { retry } from "../../base/retry.ts";
import { startTimer, stopTimer, type Timer } from "../../base/timers.ts";
import type { ClaimReply } from "../../wire/claim.ts";
import { StopError } from "../driver.ts";

export interface LeaseOptions {
  /** Sends a heartbeat: tells the transport that the event is still being worked on. */
  readonly working: () => Promise<void>;
  /**
   * Asks the engine whether to go on. Without it only the deadline and this process's shutdown stop the step.
   */
  readonly renew?: (() => Promise<ClaimReply>) | undefined;
  readonly keep?: ((progress: string) => Promise<ClaimReply>) | undefined;
  readonly attempt: number;
  /** The work's time limit, milliseconds from now. */
  readonly remainingMs?: number | undefined;
  /** Milliseconds until the next heartbeat and renewal; called before each. */
  readonly heartbeatMs: () => number;
  /** Milliseconds left for logs and results once the step was told to stop. */
  readonly reportMs: number;
  readonly clock: Clock;
}

/** How long sending of a result is retried if the work has no deadline, milliseconds. */
const SENDING_MS = 3_600_000;

/**
 * The right to work on one event. Until disposed it sends heartbeats to the transport and renews the claim
 * with the engine. If the engine says to stop, `signal` aborts; if the engine does not answer, the work goes
 * on.
 */
export class Lease implements Disposable {
  readonly #options: LeaseOptions;
  readonly #work = new AbortController();
  readonly #report = new AbortController();
  /** Stops the work: aborts with a `StopError` on cancel, timeout, loss of the claim and shutdown. */
  readonly signal: AbortSignal = this.#work.signal;
  /**
   * Stops sending of logs and results: aborts some time after the work was told to stop, or when the claim is
   * lost.
   */
  readonly reportSignal: AbortSignal = this.#report.signal;
  /** Milliseconds since the epoch, computed when the remaining time was last received. */
  deadline: number | undefined;
  /** Another attempt has taken over, or a result is recorded: this attempt's results are ignored. */
  isLost = false;
  #heartbeat: Timer | undefined;
  /** The deadline in monotonic time. */
  #over: number | undefined;
  #deadlineTimer: Timer | undefined;
  #reportTimer: Timer | undefined;
  #isAsking = false;
  #isNudged = false;
  #isDisposed = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#remain(options.remainingMs);
    this.#scheduleHeartbeat();
  }

  /**
   * Asks whether this attempt still holds the event; retries until an answer arrives or `reportSignal`
   * aborts.
   */
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

  /**
   * Stores the step's progress with the engine, if there is one; retries until an answer arrives or the work
   * is told to stop.
   */
  async keep(progress: string): Promise<void> {
    const { keep } = this.#options;
    if (!keep) return;
    this.#heed(await retry(() => keep(progress), { signal: this.signal }));
  }

  /** Renews now: the engine has news. */
  nudge(): void {
    this.#isNudged = true;
    this.#renew();
  }

  /** Tells the work to stop; only the first reason counts. */
  stop(reason: string): void {
    this.#work.abort(new StopError(reason));
    this.#reportWithin(this.#options.reportMs);
  }

  /** Call once the work is done: the report gets the rest of the work's time, `reportMs` at least. */
  workDone(): void {
    const leftMs = this.#over === undefined ? SENDING_MS : this.#over - monotonicClock();
    this.#reportWithin(Math.max(this.#options.reportMs, leftMs));
  }

  #reportWithin(ms: number): void {
    if (this.#isDisposed || this.#reportTimer !== undefined) return;
    this.#reportTimer = startTimer(() => this.#report.abort(new StopError("timeout")), ms);
  }

  /** Aborts both signals at once: this process is exiting. */
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

  #scheduleHeartbeat(): void {
    this.#heartbeat = startTimer(() => {
      this.#working();
      this.#renew();
      this.#scheduleHeartbeat();
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
