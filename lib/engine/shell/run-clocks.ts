import { bootClock, type BootTime } from "../../base/boot.ts";
import { type Clock, monotonicClock, systemClock } from "../../base/clock.ts";
import type { Run, StepState } from "../../wire/run.ts";

/** The clocks to use. */
export interface TimeSources {
  /** The machine's clock, which may be set (default: the system clock). */
  readonly clock?: Clock | undefined;
  /** A monotonic clock, milliseconds (default: `clock` if given, else the process's). */
  readonly monotonic?: (() => number) | undefined;
  /**
   * Returns the machine's current boot and the time since it (default: read from the machine; undefined if
   * `clock` is given).
   */
  readonly boot?: (() => BootTime | undefined) | undefined;
}

interface Reckoning {
  /** The run's time minus the monotonic clock. */
  readonly ahead: number;
  /** When this process first saw the run, in the run's time. */
  readonly since: number;
}

/**
 * Keeps the time of each open run: the machine's clock at its creation, then a monotonic clock. Setting the
 * machine's clock neither times a run out nor delays its timeout.
 */
export class RunClocks {
  readonly #known = new Map<string, Reckoning>();
  readonly #clock: Clock;
  readonly #boot: () => BootTime | undefined;
  /** The monotonic clock of this process, milliseconds. */
  readonly monotonic: () => number;

  constructor({ clock, monotonic, boot }: TimeSources = {}) {
    this.#clock = clock ?? systemClock;
    this.monotonic = monotonic ?? clock ?? monotonicClock;
    this.#boot = boot ?? (clock ? () => undefined : bootClock());
  }

  /** The machine's clock, milliseconds since the epoch. */
  wall(): number {
    return this.#clock();
  }

  /** Adds the boot to the record of a new run, so that a later process can continue the run's time. */
  stamped(run: Run): Run {
    const boot = this.#boot();
    return boot ? { ...run, boot } : run;
  }

  /** The run's current time, milliseconds since the epoch. */
  now(run: Run): number {
    return Math.floor(this.#of(run).ahead + this.monotonic());
  }

  /** When this process first saw the run, in the run's time. */
  since(run: Run): number {
    return this.#of(run).since;
  }

  /** Forgets a run that has ended. */
  forget(id: string): void {
    this.#known.delete(id);
  }

  #of(run: Run): Reckoning {
    const known = this.#known.get(run.id);
    if (known) return known;
    const now = this.#resumed(run);
    const reckoning = { ahead: now - this.monotonic(), since: now };
    if (run.outcome === undefined) this.#known.set(run.id, reckoning);
    return reckoning;
  }

  /**
   * Returns the current time of a run that this process sees for the first time. On the same boot, time has
   * continued since the run's creation; after a reboot only the machine's clock is known. The result is never
   * before the latest time in the record.
   */
  #resumed(run: Run): number {
    const [before, now] = [run.boot, this.#boot()];
    const isSameBoot = before !== undefined && before.boot === now?.boot && now.seconds >= before.seconds;
    const time = isSameBoot ? run.createdAt + (now.seconds - before.seconds) * 1000 : this.#clock();
    return Math.max(time, latestOf(run));
  }
}

/** Returns the latest time in the record. */
function latestOf({ createdAt, startedAt = 0, endedAt = 0, steps, earlier = [] }: Run): number {
  const ofStep = ({ heardAt = 0, dispatchedAt = 0, queuedAt = 0, startedAt = 0, endedAt = 0 }: StepState) =>
    Math.max(heardAt, dispatchedAt, queuedAt, startedAt, endedAt);
  return Math.max(createdAt, startedAt, endedAt, ...[...earlier.flat(), ...steps].map(ofStep));
}
