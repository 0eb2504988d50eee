import { KeptAnswers } from "../../base/kept-answers.ts";
import { messageOf } from "../../base/errors.ts";
import type { Troubles } from "../../base/keep-going.ts";
import { processLog } from "../../base/log.ts";
import { formatDuration } from "../../base/units.ts";
import type { Store } from "../../backend/store.ts";
import type { Transport } from "../../backend/transport.ts";
import { startInterval, stopTimer, type Timer } from "../../base/timers.ts";
import { ids } from "../../wire/ids.ts";
import type { Run, StepState } from "../../wire/run.ts";
import { subjects } from "../../wire/subjects.ts";
import { decide, type Input } from "../core/decide.ts";
import { nextChange } from "../core/due.ts";
import { isReported } from "./is-reported.ts";
import type { Records } from "./records.ts";
import type { RunClocks } from "./run-clocks.ts";
import type { Vault } from "./secrets.ts";
import type { Signatures } from "./signatures.ts";
import { hostOf, openStep } from "../core/steps.ts";
import { addSystemLine } from "./system-line.ts";
import { nextSaying, whyUnclaimed } from "./unclaimed.ts";
import { WatchedRuns } from "./watched-runs.ts";

export interface SchedulerOptions {
  readonly transport: Transport;
  readonly store: Store;
  readonly records: Records;
  readonly vault: Vault;
  readonly clocks: RunClocks;
  readonly ackWaitMs: number;
  readonly maxQueuedMs: number;
  readonly adopt: boolean;
  readonly troubles: Troubles;
  readonly signatures: Signatures;
}

/** Interval between checks for due runs, milliseconds. A cancel or timeout is at most this late. */
const TICK_MS = 200;
/** How long the process that filled an outbox has to empty it before the scheduler does, milliseconds. */
const OUTBOX_MS = 1000;
/** How soon to check whether a driver that does not claim has taken its step, milliseconds. */
const FOREIGN_MS = 1000;
/** Longest interval between checks of a step that waits in a long queue; the interval doubles up to it. */
const LONGEST_PATIENCE_MS = 600_000;
/** Lateness of a check from which on this process was stopped for a while (Ctrl-Z), milliseconds. */
const STOPPED_MS = 2000;

/** The scheduler's name in the engine's health. */
const PART = "Looking after runs";

/** Maximum number of runs checked at the same time. */
const AT_ONCE = 8;
/** How long checks may keep requests waiting at a time, milliseconds. */
const SLICE_MS = 2;

/**
 * Why steps are unclaimed, by driver, host and resource type: asked once for all runs that are checked
 * together.
 */
type Reasons = KeptAnswers<string | undefined>;

/** How long a reason is kept: runs that are looked at together may be many. */
const REASONS_MS = 1000;

/** Drives everything time-based: timeouts, silent drivers, lost events, unsent outboxes. */
export class Scheduler implements AsyncDisposable {
  readonly #options: SchedulerOptions;
  readonly #watched = new WatchedRuns();
  readonly #timer: Timer;
  #surveyAt: number;
  #working: Promise<void> | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#surveyAt = options.clocks.monotonic();
    this.#timer = startInterval(() => this.#tick(), TICK_MS);
  }

  /** Returns the input that applies timeouts and silence to a run. */
  time(run: Run): Input {
    const { ackWaitMs, clocks, maxQueuedMs } = this.#options;
    return { kind: "time", ackWaitMs, hearingSince: clocks.since(run), maxQueuedMs };
  }

  /** Returns the number of open runs, of all or of one submitter, that this process drives. */
  openRuns(submitter?: string): number {
    return this.#watched.count(submitter);
  }

  /** Stops the timer and waits for the current check. */
  async [Symbol.asyncDispose](): Promise<void> {
    stopTimer(this.#timer);
    await this.#working;
  }

  /** Reschedules a run after it was changed or read. */
  seen(run: Run): void {
    if (run.outcome !== undefined) return this.#watched.delete(run.id);
    const { clocks, ackWaitMs, maxQueuedMs, signatures } = this.#options;
    const now = clocks.monotonic();
    const ahead = clocks.now(run) - now;
    const step = openStep(run);
    const about = `${step?.id}/${step?.dispatch}/${step?.heardAt}`;
    const before = this.#watched.get(run.id);
    // A driver that does not claim does not report its start. Check early, since the step's timeout counts
    // from then.
    const patienceMs = step && signatures.isForeign(step.driver)
      ? Math.min(FOREIGN_MS, ackWaitMs)
      : ackWaitMs;
    const asking = before?.about === about
      ? { askAt: before.askAt, patienceMs: before.patienceMs, sayAt: before.sayAt }
      : {
        askAt: now + patienceMs,
        patienceMs,
        sayAt: step ? nextSaying(step, now + ahead) - ahead : Infinity,
      };
    const due = Math.min(
      run.outbox.length > 0 ? now + OUTBOX_MS : Infinity,
      nextChange(run, { ackWaitMs, hearingSince: clocks.since(run), maxQueuedMs }) - ahead,
      asking.askAt,
      asking.sayAt,
    );
    this.#watched.set(run.id, { due, about, submitter: run.submitter, ...asking });
  }

  #tick(): void {
    if (this.#working) return;
    const { troubles } = this.#options;
    this.#working = this.#work().then(() => troubles.clear(PART), (error) => {
      troubles.note(PART, messageOf(error));
      processLog("engine").warn("Cannot look after the runs: {error}", { error });
    }).finally(() => this.#working = undefined);
  }

  async #work(): Promise<void> {
    const { clocks, ackWaitMs } = this.#options;
    const now = clocks.monotonic();
    if (now >= this.#surveyAt) {
      this.#surveyAt = now + ackWaitMs;
      await this.#survey();
    }
    const left = this.#watched.due(now).values();
    const reasons: Reasons = new KeptAnswers(REASONS_MS, clocks.monotonic);
    let begun = performance.now();
    const looking = async () => {
      for (const id of left) {
        await this.#look(id, reasons);
        if (performance.now() - begun < SLICE_MS) continue;
        await new Promise((resolve) => setImmediate(resolve));
        begun = performance.now();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, looking));
  }

  /**
   * Finds the store's open runs that this process does not watch yet (with `adopt`), and removes secrets that
   * are no longer needed.
   */
  async #survey(): Promise<void> {
    const { store, vault, adopt } = this.#options;
    if (adopt) {
      for (const id of await store.runs.open()) {
        if (this.#watched.get(id)) continue;
        this.#watched.set(id, { due: 0, askAt: 0, patienceMs: 0, sayAt: Infinity, about: "" });
      }
    }
    await vault.sweep();
  }

  async #look(id: string, reasons: Reasons): Promise<void> {
    const { records, clocks } = this.#options;
    const watch = this.#watched.get(id);
    if (!watch) return;
    try {
      const changed = await records.change(id, (run) => decide(run, this.time(run), clocks.now(run)));
      if (!changed) this.#watched.delete(id);
      else await this.#say(changed.run, reasons);
      if (changed && this.#watched.get(id)?.about === watch.about && watch.askAt <= clocks.monotonic()) {
        await this.#ask(changed.run);
      }
    } catch (error) {
      watch.due = clocks.monotonic() + OUTBOX_MS;
      processLog("engine").warn("Cannot look after run {id}: {error}", { id, error });
    }
  }

  /** Writes to the run's log why no driver has claimed the open step, if the reason is known. */
  async #say(run: Run, reasons: Reasons): Promise<void> {
    const { transport, signatures, clocks } = this.#options;
    const [step, watch] = [openStep(run), this.#watched.get(run.id)];
    if (!step || !watch || watch.sayAt > clocks.monotonic()) return;
    const now = clocks.now(run);
    watch.sayAt = nextSaying(step, now) - (now - clocks.monotonic());
    this.seen(run);
    const key = [step.id, step.driver, hostOf(run, step), run.resource.resource].join("/");
    const message = await reasons.get(key, () => whyUnclaimed(transport, run, step));
    const what = `${step.id}/${step.dispatch}/waits`;
    if (message === undefined) return;
    processLog("engine").info("Run {run}: {message}", { run: run.id, message });
    await addSystemLine({ transport, signatures }, run, { what, message, now });
    // Once is enough: the transport would take the same line for a copy.
    const after = this.#watched.get(run.id);
    if (after?.about !== watch.about) return;
    after.sayAt = Infinity;
    this.seen(run);
  }

  /**
   * Checks an open step that has been silent for a while. If the transport holds neither its event nor its
   * result, either a driver that does not claim has begun, or the event is lost.
   */
  async #ask(run: Run): Promise<void> {
    const { transport, records, clocks, ackWaitMs } = this.#options;
    const step = openStep(run);
    const watch = this.#watched.get(run.id);
    if (!step || !watch) return;
    // The silence may be this process's own: then its drivers get the ack wait again.
    const wasStopped = clocks.monotonic() - watch.askAt >= STOPPED_MS;
    const isFirst = watch.patienceMs <= ackWaitMs;
    if (!isFirst || !wasStopped) watch.patienceMs = Math.min(LONGEST_PATIENCE_MS, watch.patienceMs * 2);
    watch.askAt = clocks.monotonic() + watch.patienceMs;
    this.seen(run);
    const isForeign = step.status === "running" && step.instance === undefined;
    if (isForeign) return;
    const isSilent = isFirst && !wasStopped && step.status === "running";
    const isStillHeld = await isHeld(transport, run, step);
    if ((isStillHeld && !isSilent) || await isReported(transport, run, step)) return;
    if (isSilent) await this.#saySilent(run, step);
    if (isStillHeld) return;
    const { id, dispatch, heardAt } = step;
    const input: Input = await this.#isAtWork(run, step)
      ? { kind: "begun", step: id }
      : { kind: "event-lost", step: id, dispatch, heardAt };
    await records.change(run.id, (stored) => decide(stored, input, clocks.now(stored)));
  }

  /** Writes to the run's log that the attempt at work has not been heard from for the ack wait. */
  async #saySilent(run: Run, step: StepState): Promise<void> {
    const { transport, signatures, clocks } = this.#options;
    const { id, driver, attempt, heardAt = 0 } = step;
    const now = clocks.now(run);
    const silent = formatDuration(now - Math.max(heardAt, clocks.since(run)));
    const message =
      `Driver "${driver}" has been silent for ${silent}: another instance takes the step, if there is one`;
    const what = `${id}/${attempt}/silent`;
    processLog("engine").info("Run {run}: {message}", { run: run.id, message });
    await addSystemLine({ transport, signatures }, run, { what, message, now }).catch((error) => {
      processLog("engine").warn("Cannot write to the log of run {id}: {error}", { id: run.id, error });
    });
  }

  /**
   * Returns true if the step's driver does not claim and has a consumer. Such a driver acks the event before
   * it works; from then on it counts as working until its result or timeout. Without a consumer the event was
   * not kept and is lost.
   */
  async #isAtWork(run: Run, step: StepState): Promise<boolean> {
    const { transport, signatures } = this.#options;
    if (step.status !== "dispatched" || !signatures.isForeign(step.driver)) return false;
    return await transport.demand(subjects.step(step.driver, run.resource.resource)) !== "none";
  }
}

async function isHeld(transport: Transport, run: Run, step: StepState): Promise<boolean> {
  const event = ids.event(run.id, step.id, step.dispatch);
  if (await transport.holds("messages", event)) return true;
  return run.host !== undefined && await transport.holds("messages", ids.forwarded(event, run.host));
}
