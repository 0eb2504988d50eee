import type { LogBatch } from "../../backend/store.ts";
import type { DriverResult } from "../../wire/resource.ts";
import type { Run, StepState } from "../../wire/run.ts";
import type { RunEvent, StepEnded, StepStarted } from "./events.ts";

/**
 * Reports the events of a run's steps, each once and in order, whenever its record is updated. A step is
 * reported once for each round in which it was handed out or skipped.
 */
export class Timeline {
  #run: Run;
  /** The steps of earlier rounds, then the current ones; only grows at its end. */
  #slots: readonly StepState[];
  /** The first slot whose end has not been reported, and whether its start has. */
  #at = 0;
  #isStarted = false;

  constructor(run: Run) {
    this.#run = run;
    this.#slots = slotsOf(run);
  }

  /** Call when the record has changed. */
  update(run: Run): void {
    this.#run = run;
    this.#slots = slotsOf(run);
  }

  /** Reports all remaining events of the record. Call once all lines of the ended steps are reported. */
  *catchUp(): Generator<RunEvent> {
    while (this.#isClosed(this.#at)) yield* this.#finish();
    if (!this.#isStarted && this.#slots[this.#at]?.startedAt !== undefined) yield* this.#start();
  }

  /** Returns the step that wrote the batch; undefined if the known record has none. */
  writerOf(batch: LogBatch): StepState | undefined {
    return this.#slots[this.#slotOf(batch)];
  }

  /** Returns true if `before` needs a newer record than the known one. */
  isAhead(batch: LogBatch): boolean {
    const slot = this.#slotOf(batch);
    return slot === -1 || (slot >= this.#at && !this.#canReach(slot));
  }

  /**
   * Reports the events before the batch's lines: all of a step's lines are stored before the next step
   * begins.
   */
  *before(batch: LogBatch): Generator<RunEvent> {
    const slot = this.#slotOf(batch);
    if (slot < this.#at || !this.#canReach(slot)) return;
    while (this.#at < slot) yield* this.#finish();
    if (!this.#isStarted) yield* this.#start();
  }

  /**
   * Returns the slot of a batch; -1 if there is none. A batch without step and attempt is matched by its
   * driver: its current or next slot, otherwise its last one.
   */
  #slotOf(batch: LogBatch): number {
    const slots = this.#slots;
    const isNamed = slots.some(({ id }) => id === batch.step);
    if (isNamed && batch.attempt > 0) {
      return slots.findIndex(({ id, attempt }) => id === batch.step && attempt >= batch.attempt);
    }
    const driver = batch.lines[0]?.driver;
    const isIts = (slot: StepState) => isNamed ? slot.id === batch.step : slot.driver === driver;
    const next = slots.findIndex((slot, i) => i >= this.#at && slot.status !== "pending" && isIts(slot));
    return next !== -1 ? next : slots.findLastIndex((slot, i) => i < this.#at && isIts(slot));
  }

  #canReach(slot: number): boolean {
    for (let i = this.#at; i < slot; i++) if (!this.#isClosed(i)) return false;
    return this.#slots[slot]?.status !== "pending";
  }

  #isClosed(slot: number): boolean {
    const status = this.#slots[slot]?.status;
    return status === "succeeded" || status === "failed" || status === "skipped";
  }

  *#start(): Generator<StepStarted> {
    const slot = this.#slots[this.#at];
    if (!slot) return;
    this.#isStarted = true;
    const { id: step, driver, startedAt, dispatchedAt } = slot;
    const time = timeOf(startedAt ?? dispatchedAt ?? this.#run.createdAt);
    yield { type: "step", run: this.#run.id, step, driver, status: "started", time };
  }

  *#finish(): Generator<RunEvent> {
    const slot = this.#slots[this.#at];
    if (!slot) return;
    if (!this.#isStarted && slot.startedAt !== undefined) yield* this.#start();
    this.#at++;
    this.#isStarted = false;
    yield ended(this.#run, slot);
  }
}

/** RFC 3339 with milliseconds. */
export function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

const NO_RESULT: DriverResult = { success: false, message: "Not run" };

function ended(run: Run, slot: StepState): StepEnded {
  const { id: step, driver, startedAt, result = NO_RESULT } = slot;
  const endedAt = slot.endedAt ?? run.endedAt ?? run.createdAt;
  return {
    type: "step",
    run: run.id,
    step,
    driver,
    status: slot.status === "succeeded" || slot.status === "skipped" ? slot.status : "failed",
    seconds: Math.max(0, endedAt - (startedAt ?? endedAt)) / 1000,
    result,
    time: timeOf(endedAt),
  };
}

/** Steps that a lost round did not reach are left out. */
function slotsOf({ earlier = [], steps }: Run): StepState[] {
  return [...earlier.flat().filter(({ status }) => status !== "pending"), ...steps];
}
