import type { FaultPoint } from "../../base/faults.ts";
import type { TimeSources } from "./run-clocks.ts";
import type { Store } from "../../backend/store.ts";
import type { Transport } from "../../backend/transport.ts";
import type { Outcome, Run } from "../../wire/run.ts";
import type { Reason } from "../../wire/reasons.ts";
import type { RunChange } from "../core/changes.ts";
import type { RunEvent } from "../core/events.ts";
import type { Submission } from "../core/submission.ts";

/** What an engine needs. `sealKey` is 32 bytes: the key under which secrets are kept until their run ends. */
export interface EngineOptions extends TimeSources {
  readonly transport: Transport;
  readonly store: Store;
  readonly sealKey: Uint8Array;
  /** Drivers whose results and log lines count though they claim and sign nothing (default none): Conveyor's own. */
  readonly foreignDrivers?: readonly string[];
  /** How long a step may wait for a driver to take it, milliseconds (default: for ever). */
  readonly maxQueuedMs?: number;
  /** Consumers' ack wait, milliseconds (default 30,000): an attempt silent for this long may be succeeded by the next. */
  readonly ackWaitMs?: number;
  /**
   * Also look after open runs that others submitted to the store (default: only those submitted here, or heard of over
   * this transport). For replicas and restarts of one control plane; not for those who share only a history.
   */
  readonly adopt?: boolean;
  /** Told of what has happened to runs, once anywhere in the fleet: by whoever stored it. */
  readonly changed?: (change: RunChange, run: Run) => void;
  readonly faultPoint?: (point: FaultPoint, step?: string) => void;
}

/**
 * The control plane's decisions: takes submissions, hands out steps, answers claims, takes results, ends runs. Several
 * may share a store; each change is a compare-and-set. Dispose stops taking part; runs go on with whoever is left.
 */
export interface Engine extends AsyncDisposable {
  /** Stores the run and publishes its first step. Answers its id. Throws ConflictError when the id is taken. */
  submit(submission: Submission): Promise<string>;
  /** Ends the run as `outcome` once its always-run steps are through. A run that has ended or has a verdict is left as it is. */
  stop(
    run: string,
    why: { outcome: Exclude<Outcome, "succeeded">; reason: Reason; message: string },
  ): Promise<void>;
  /** Ends the run at once, as failed with `driver-lost`, without running any step: its process is gone. Adds a line to its log that says so. */
  abandon(run: string, message: string): Promise<void>;
  /** The run from its beginning to its end, then on until the `end` event; `logs: false` leaves the lines out. Returns early when `signal` fires. */
  follow(run: string, options?: { logs?: boolean; signal?: AbortSignal }): AsyncIterable<RunEvent>;
  /** Why no driver takes the run's open step just now, in words; undefined where none waits, or nobody knows. */
  whyWaiting(run: Run): Promise<string | undefined>;
  /** Acts on what another process has changed in the run's record: publishes what has to be, and tells its driver to look. */
  heed(run: string): Promise<void>;
  /** The parts of it that do not work just now; each is tried again. Empty while all is well. */
  readonly troubles: readonly string[];
}
