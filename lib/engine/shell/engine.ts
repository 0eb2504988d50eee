import type { FaultPoint } from "../../base/faults.ts";
import type { TimeSources } from "./run-clocks.ts";
import type { PublishRun, ResourceChanges, Store } from "../../backend/store.ts";
import type { Transport } from "../../backend/transport.ts";
import type { Outcome, Run } from "../../wire/run.ts";
import type { Reason } from "../../wire/reasons.ts";
import type { RunChange } from "../core/changes.ts";
import type { RunEvent } from "../core/events.ts";
import type { Submission } from "../core/submission.ts";

/** What an engine needs. `sealKey` is the 32-byte key that seals secrets until their run ends. */
export interface EngineOptions extends TimeSources {
  readonly transport: Transport;
  readonly store: Store;
  readonly sealKey: Uint8Array;
  /**
   * Given if transport and store are one database: a change of a run and its message then take one
   * transaction.
   */
  readonly publishRun?: PublishRun | undefined;
  /**
   * Drivers whose results and log lines are accepted without claims and signatures: Conveyor's own (default:
   * none).
   */
  readonly foreignDrivers?: readonly string[];
  /** How long a step may wait for a driver, milliseconds (default: no limit). */
  readonly maxQueuedMs?: number;
  /**
   * Consumers' ack wait, milliseconds (default 30,000). An attempt without a heartbeat for this long may be
   * replaced by the next.
   */
  readonly ackWaitMs?: number;
  /**
   * Set to look after all open runs in the store (default: only runs submitted here or named in messages of
   * this transport). For replicas and restarts of one control plane, not for processes that only share its
   * history.
   */
  readonly adopt?: boolean;
  /** Called for each change of a run, once in the whole fleet: by the engine that stored the change. */
  readonly changed?: (change: RunChange, run: Run) => void;
  /** Returns the `TRACEPARENT` of what a run's step starts (default: none). */
  readonly traceparent?: (run: Run, step: string) => string;
  readonly faultPoint?: (point: FaultPoint, step?: string) => void;
}

/**
 * Runs the control plane: takes submissions, hands out steps, answers claims, takes results, ends runs.
 * Several engines may share a store, since each change is a compare-and-set. Dispose stops this engine; the
 * others continue its runs.
 */
export interface Engine extends AsyncDisposable {
  /**
   * Stores the run, with `changes` of resources if given, and publishes its first step. Returns the run's id.
   * Throws ConflictError if the id is taken or a resource was changed meanwhile; then nothing is stored.
   */
  submit(submission: Submission, changes?: ResourceChanges): Promise<string>;
  /**
   * Adds lines to a run's log in a driver's name. Throws InputError if no step is that driver's, Retryable if
   * they cannot be stored now.
   */
  addLines(run: Run, lines: { driver: string; messages: readonly string[] }): Promise<void>;
  /**
   * Ends the run as `outcome` after its `always` steps. Does nothing if the run has ended or already has a
   * verdict.
   */
  stop(
    run: string,
    why: { outcome: Exclude<Outcome, "succeeded">; reason: Reason; message: string },
  ): Promise<void>;
  /**
   * Ends the run at once as failed with `driver-lost`, without running any step, since its process is gone.
   * Adds a line with `message` to its log.
   */
  abandon(run: string, message: string): Promise<void>;
  /**
   * Yields the run's events from the first one to the `end` event, waiting for new ones. `logs: false` omits
   * log lines. Returns early if `signal` fires.
   */
  follow(run: string, options?: { logs?: boolean; signal?: AbortSignal }): AsyncIterable<RunEvent>;
  /**
   * Returns why no driver takes the run's open step, as text. Undefined if no step waits or the reason is
   * unknown.
   */
  whyWaiting(run: Run): Promise<string | undefined>;
  /**
   * Acts on a change that another process made to the run's record: publishes the outbox and, if the run is
   * to stop, nudges the running step's driver.
   */
  heed(run: string): Promise<void>;
  /**
   * Returns the number of runs, of all or of one submitter, that this engine drives and that have not ended.
   */
  openRuns(submitter?: string): number;
  /** Names of the engine's parts that fail just now and are retried. Empty if all work. */
  readonly troubles: readonly string[];
}
