import { type BootTime, bootTime } from "../../base/boot.ts";
import { type Clock, monotonicClock, systemClock } from "../../base/clock.ts";
import type { Run, StepState } from "../../wire/run.ts";

/** Where times come from. */
export interface TimeSources {
  /** The machine's clock, which somebody may set. */
  readonly clock?: Clock | undefined;
  /** A clock that nobody can set, milliseconds (default: `clock` where that is given). */
  readonly monotonic?: (() => number) | undefined;
  /** Which boot it is, and since when (default: the machine's; none where `clock` is given). */
  readonly boot?: (() => BootTime | undefined) | undefined;
}

interface Reckoning {
  /** The run's time minus the monotonic clock. */
  readonly ahead: number;
  /** Since when this process knows the run, in the run's time. */
  readonly since: number;
}

/**
 * The time of each open run: the machine's clock at its creation, and from there on what a monotonic clock counts. Setting the
 * machine's clock neither times a run out nor keeps it from timing out.
 */
export class RunClocks {
  readonly #known = new Map<string, Reckoning>();
  readonly #clock: Clock;
  readonly #boot: () => BootTime | undefined;
  /** Milliseconds, of this process. */
  readonly monotonic: () => number;

  constructor({ clock, monotonic, boot }: TimeSources = {}) {
    this.#clock = clock ?? systemClock;
    this.monotonic = monotonic ?? clock ?? monotonicClock;
    this.#boot = boot ?? (clock ? () => undefined : bootTime);
  }

  /** The machine's clock. */
  wall(): number {
    return this.#clock();
  }

  /** The record of a run that is just being made, with what a later process needs to go on with its time. */
  stamped(run: Run): Run {
    const boot = this.#boot();
    return boot ? { ...run, boot } : run;
  }

  /** Milliseconds since the epoch, by the run's time. */
  now(run: Run): number {
    return Math.floor(this.#of(run).ahead + this.monotonic());
  }

  /** Since when this process knows the run. */
  since(run: Run): number {
    return this.#of(run).since;
  }

  /** The run has ended. */
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
   * The time of a run that this process sees for the first time. After a restart on the same boot it has gone on meanwhile; after another boot
   * there is only the machine's clock. It never goes back behind what the record says.
   */
  #resumed(run: Run): number {
    const [before, now] = [run.boot, this.#boot()];
    const isSameBoot = before !== undefined && before.boot === now?.boot && now.seconds >= before.seconds;
    const time = isSameBoot ? run.createdAt + (now.seconds - before.seconds) * 1000 : this.#clock();
    return Math.max(time, latestOf(run));
  }
}

/** The latest time that the record has. */
function latestOf({ createdAt, startedAt = 0, endedAt = 0, steps, earlier = [] }: Run): number {
  const ofStep = ({ heardAt = 0, dispatchedAt = 0, queuedAt = 0, startedAt = 0, endedAt = 0 }: StepState) =>
    Math.max(heardAt, dispatchedAt, queuedAt, startedAt, endedAt);
  return Math.max(createdAt, startedAt, endedAt, ...[...earlier.flat(), ...steps].map(ofStep));
}
