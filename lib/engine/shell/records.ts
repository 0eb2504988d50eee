import type { FaultPoint } from "../../base/faults.ts";
import { InputError } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { ConflictError, type Store, type Versioned } from "../../backend/store.ts";
import type { Transport } from "../../backend/transport.ts";
import type { Run } from "../../wire/run.ts";
import { subjects } from "../../wire/subjects.ts";
import { changesOf, type RunChange } from "../core/changes.ts";
import { decide } from "../core/decide.ts";
import { Outbox } from "./outbox.ts";
import type { RunClocks } from "./run-clocks.ts";
import { openStep } from "../core/steps.ts";
import { Turns } from "./turns.ts";

export interface RecordsOptions {
  readonly transport: Transport;
  readonly store: Store;
  readonly clocks: RunClocks;
  readonly ackWaitMs: number;
  /** Whether a driver claims nothing: such a driver serves no host of its own. */
  readonly isForeign?: (driver: string) => boolean;
  readonly faultPoint: (point: FaultPoint, step?: string) => void;
  /** Told of every run that was created or changed here, as it stands. */
  readonly seen: (run: Run) => void;
  /** Told of what has happened to a run, once it is stored. */
  readonly changed?: (change: RunChange, run: Run) => void;
  /** Called after a run has ended. */
  readonly ended: (run: string) => Promise<void>;
}

/** The run as it stands, and why its outbox could not be published, if so. */
export interface Changed {
  readonly run: Run;
  readonly unpublished?: unknown;
}

/** The runs' records: each change is one compare-and-set, after which its outbox is published and emptied. */
export class Records {
  readonly #options: RecordsOptions;
  readonly #outbox: Outbox;
  /** Spares the changes of one run in this process the conflicts with each other. */
  readonly #turns = new Turns();

  constructor(options: RecordsOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.transport, options.ackWaitMs);
  }

  /** Stores a run that is not there yet. Throws ConflictError where it is. */
  create(run: Run): Promise<Changed> {
    return this.#turns.take(run.id, async () => {
      const { clocks, isForeign = () => false } = this.#options;
      const begun = decide(clocks.stamped(placed(run, isForeign)), { kind: "submitted" }, run.createdAt);
      const revision = await this.#put(begun, 0, undefined);
      return await this.#settle(begun, revision);
    });
  }

  /**
   * Applies `next` to the run as it stands, again where somebody else changed it meanwhile. `next` answers the same
   * object for no change; it must be pure, as it may be called several times. Undefined where there is no such run.
   */
  change(id: string, next: (run: Run) => Run): Promise<Changed | undefined> {
    return this.#turns.take(id, async () => {
      const stored = await this.#apply(id, next);
      return stored && await this.#settle(stored.value, stored.revision);
    });
  }

  /** As `change`, for what leaves nothing to publish: what somebody else left in the outbox stays for later. */
  note(id: string, next: (run: Run) => Run): Promise<Run | undefined> {
    return this.#turns.take(id, async () => (await this.#apply(id, next))?.value);
  }

  /** Publishes what somebody else left in the outbox; a step that is told to stop hears of it. */
  async heed(id: string): Promise<void> {
    const changed = await this.change(id, (run) => run);
    if (changed?.run.verdict && changed.run.outcome === undefined) await this.#nudge(changed.run);
  }

  /** Publishes what is in the outbox, in its turn. Failures are left to the next look at the run. */
  publish(id: string): void {
    this.change(id, (run) => run).catch((error) => {
      processLog("engine").warn("Cannot publish for run {id}: {error}", { id, error });
    });
  }

  /** Resolves when no change is under way. */
  idle(): Promise<void> {
    return this.#turns.idle();
  }

  async #apply(id: string, next: (run: Run) => Run): Promise<Versioned<Run> | undefined> {
    for (;;) {
      const found = await this.#options.store.runs.get(id);
      if (!found) return undefined;
      const value = next(found.value);
      if (value === found.value) {
        this.#options.seen(value);
        return found;
      }
      try {
        const revision = await this.#put(value, found.revision, found.value);
        if (value.verdict && !found.value.verdict) await this.#nudge(value);
        if (value.outcome) await this.#options.ended(id);
        return { value, revision };
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
      }
    }
  }

  async #put(run: Run, revision: number, before: Run | undefined): Promise<number> {
    const { store, faultPoint, seen, changed } = this.#options;
    const stored = await store.runs.put(run.id, run, revision);
    seen(run);
    if (changed) { for (const change of changesOf(before, run)) changed(change, run); }
    faultPoint("run-stored", openStep(run)?.id);
    return stored;
  }

  async #settle(run: Run, revision: number): Promise<Changed> {
    const { store, clocks, faultPoint, seen } = this.#options;
    const [message] = run.outbox;
    if (!message) return { run };
    try {
      await this.#outbox.publish(message);
      faultPoint("outbox-published", openStep(run)?.id);
      const published = decide(run, { kind: "published", id: message.id }, clocks.now(run));
      await store.runs.put(run.id, published, revision);
      seen(published);
      faultPoint("outbox-emptied", openStep(run)?.id);
      return { run: published };
    } catch (error) {
      // Whoever changed it since has seen to the outbox, or will.
      if (error instanceof ConflictError) return { run };
      if (error instanceof InputError) return await this.#refused(run, message.id, revision);
      processLog("engine").warn("Cannot publish {id}, will try again: {error}", { id: message.id, error });
      return { run, unpublished: error };
    }
  }

  /** What the transport will never take ends its step. */
  async #refused(run: Run, message: string, revision: number): Promise<Changed> {
    try {
      const next = decide(run, { kind: "refused", id: message }, this.#options.clocks.now(run));
      const stored = await this.#put(next, revision, run);
      if (next.outcome) await this.#options.ended(run.id);
      return await this.#settle(next, stored);
    } catch (error) {
      if (error instanceof ConflictError) return { run };
      return { run, unpublished: error };
    }
  }

  /** The fast path for a step that is told to stop; it also asks by itself. */
  async #nudge(run: Run): Promise<void> {
    if (openStep(run)?.status !== "running") return;
    await this.#options.transport.broadcast(subjects.nudge(run.id), "").catch(() => {});
  }
}

/** The run with the steps of drivers that serve no host addressed to none. */
function placed(run: Run, isForeign: (driver: string) => boolean): Run {
  const steps = run.pipeline.steps.map((step) => isForeign(step.driver) ? { ...step, anywhere: true } : step);
  return { ...run, pipeline: { ...run.pipeline, steps } };
}
