import type { FaultPoint } from "../../base/faults.ts";
import { InputError } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import {
  ConflictError,
  type PublishRun,
  type ResourceChanges,
  type Store,
  type Versioned,
} from "../../backend/store.ts";
import type { Transport } from "../../backend/transport.ts";
import type { Run } from "../../wire/run.ts";
import { subjects } from "../../wire/subjects.ts";
import { changesOf, type RunChange } from "../core/changes.ts";
import { decide, type Input } from "../core/decide.ts";
import { Outbox } from "./outbox.ts";
import type { RunClocks } from "./run-clocks.ts";
import { openStep } from "../core/steps.ts";
import { Turns } from "./turns.ts";

export interface RecordsOptions {
  readonly transport: Transport;
  readonly store: Store;
  readonly publishRun?: PublishRun | undefined;
  readonly clocks: RunClocks;
  readonly ackWaitMs: number;
  /** Returns true if the driver does not claim its steps; such a driver serves no particular host. */
  readonly isForeign?: (driver: string) => boolean;
  readonly faultPoint: (point: FaultPoint, step?: string) => void;
  /** Called with the current state of every run that is created, changed or read here. */
  readonly seen: (run: Run) => void;
  /** Called for each change of a run, after it is stored. */
  readonly changed?: (change: RunChange, run: Run) => void;
  /** Called after a run has ended. */
  readonly ended: (run: string) => Promise<void>;
}

/** What a change of a run is made from. */
interface Place {
  readonly revision: number;
  readonly before?: Run;
  readonly changes?: ResourceChanges | undefined;
}

/** The run's current state. `unpublished` is the error if its outbox could not be published. */
export interface Changed {
  readonly run: Run;
  readonly unpublished?: unknown;
}

/**
 * Changes the runs' records. Each change is one compare-and-set. With `publishRun` the open step's event is
 * published in the same transaction; otherwise the run's outbox is published and emptied after it.
 */
export class Records {
  readonly #options: RecordsOptions;
  readonly #outbox: Outbox;
  /** Serializes the changes of one run within this process, so that they do not conflict. */
  readonly #turns = new Turns();

  constructor(options: RecordsOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.transport, options.ackWaitMs);
  }

  /**
   * Stores a new run, and with it changes of resources: all or nothing. Throws ConflictError if the run
   * exists or a resource was changed.
   */
  create(run: Run, changes?: ResourceChanges): Promise<Changed> {
    return this.#turns.take(run.id, async () => {
      const { clocks, isForeign = () => false } = this.#options;
      const begun = decide(clocks.stamped(placed(run, isForeign)), { kind: "submitted" }, run.createdAt);
      return await this.#settle(await this.#put(begun, { revision: 0, changes }));
    });
  }

  /**
   * Applies `next` to the run's current state, and again if another process changed it meanwhile. `next`
   * returns the same object for no change. It must be pure, since it may be called several times. Resolves to
   * undefined if there is no such run.
   */
  change(id: string, next: (run: Run) => Run): Promise<Changed | undefined> {
    return this.#turns.take(id, async () => {
      const stored = await this.#apply(id, next);
      return stored && await this.#settle(stored);
    });
  }

  /** Like `change`, but leaves an outbox that is not published with the change as it is. */
  note(id: string, next: (run: Run) => Run): Promise<Run | undefined> {
    return this.#turns.take(id, async () => (await this.#apply(id, next))?.value);
  }

  /**
   * Publishes what another process left in the outbox. If the run is to stop, nudges the running step's
   * driver.
   */
  async heed(id: string): Promise<void> {
    const changed = await this.change(id, (run) => run);
    if (changed?.run.verdict && changed.run.outcome === undefined) await this.#nudge(changed.run);
  }

  /** Publishes the run's outbox in the background. After a failure the scheduler tries again. */
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
        const stored = await this.#put(value, { revision: found.revision, before: found.value });
        if (value.verdict && !found.value.verdict) await this.#nudge(value);
        if (value.outcome) await this.#options.ended(id);
        return stored;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
      }
    }
  }

  /** Stores a change of a run, and publishes its message with it if the backend can do that. */
  async #put(run: Run, { revision, before, changes }: Place): Promise<Versioned<Run>> {
    const { store, faultPoint, seen, changed } = this.#options;
    const published = await this.#publishWith(run, { revision, changes });
    const stored = published ?? {
      value: run,
      revision: changes ? await store.createRun(run, changes) : await store.runs.put(run.id, run, revision),
    };
    seen(stored.value);
    if (changed) { for (const change of changesOf(before, run)) changed(change, run); }
    const step = openStep(run)?.id;
    faultPoint("run-stored", step);
    if (published) {
      faultPoint("outbox-published", step);
      faultPoint("outbox-emptied", step);
    }
    return stored;
  }

  /**
   * Stores a change together with the open step's event; undefined if that must be done one after the other.
   */
  async #publishWith(
    run: Run,
    { revision, changes }: Place,
  ): Promise<Versioned<Run> | undefined> {
    const { publishRun, clocks } = this.#options;
    const [message] = run.outbox;
    if (!publishRun || !message || run.steps.length === 0) return undefined;
    const value = decide(run, { kind: "published", id: message.id }, clocks.now(run));
    try {
      await this.#outbox.ensureConsumer(message.subject);
    } catch {
      return undefined;
    }
    try {
      return { value, revision: await publishRun({ run: value, revision, changes, message }) };
    } catch (error) {
      // The transport will never accept the message: `#settle` ends the step.
      if (error instanceof InputError) return undefined;
      throw error;
    }
  }

  async #settle({ value: run, revision }: Versioned<Run>): Promise<Changed> {
    const { store, clocks, faultPoint, seen } = this.#options;
    const [message] = run.outbox;
    if (!message) return { run };
    try {
      if (run.steps.length === 0 && await this.#options.transport.demand(message.subject) === "none") {
        return await this.#end(run, { kind: "unwanted" }, revision);
      }
      await this.#outbox.publish(message);
      faultPoint("outbox-published", openStep(run)?.id);
      const published = decide(run, { kind: "published", id: message.id }, clocks.now(run));
      if (published.outcome) return await this.#end(run, { kind: "published", id: message.id }, revision);
      await store.runs.put(run.id, published, revision);
      seen(published);
      faultPoint("outbox-emptied", openStep(run)?.id);
      return { run: published };
    } catch (error) {
      // Another process changed the run since and publishes its outbox.
      if (error instanceof ConflictError) return { run };
      // The transport will never accept the message.
      if (error instanceof InputError) {
        return await this.#end(run, { kind: "refused", id: message.id }, revision);
      }
      processLog("engine").warn("Cannot publish {id}, will try again: {error}", { id: message.id, error });
      return { run, unpublished: error };
    }
  }

  /** Applies an input that closes the step whose message is in the outbox, or ends the run. */
  async #end(run: Run, input: Input, revision: number): Promise<Changed> {
    try {
      const next = decide(run, input, this.#options.clocks.now(run));
      const stored = await this.#put(next, { revision, before: run });
      if (next.outcome) await this.#options.ended(run.id);
      return await this.#settle(stored);
    } catch (error) {
      if (error instanceof ConflictError) return { run };
      return { run, unpublished: error };
    }
  }

  /**
   * Tells the running step to stop without delay. Losing the message is harmless, since the step also asks
   * regularly.
   */
  async #nudge(run: Run): Promise<void> {
    if (openStep(run)?.status !== "running") return;
    await this.#options.transport.broadcast(subjects.nudge(run.id), "").catch(() => {});
  }
}

/** Returns the run with `anywhere` set on the steps of drivers that do not claim. */
function placed(run: Run, isForeign: (driver: string) => boolean): Run {
  const steps = run.pipeline.steps.map((step) => isForeign(step.driver) ? { ...step, anywhere: true } : step);
  return { ...run, pipeline: { ...run.pipeline, steps } };
}
