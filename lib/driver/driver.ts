import type { z } from "zod";
import type { StepFailure } from "../base/errors.ts";
import type { FaultPoint } from "../base/faults.ts";
import type { Docker } from "../docker/docker.ts";
import type { Problem, SourceOf } from "../wire/issues.ts";
import type { DriverResult, Resource } from "../wire/resource.ts";
import type { LogStream } from "../wire/messages.ts";
import type { AskRun } from "./host/run-state.ts";

/**
 * One kind of work: a unique name, the resource types it handles, and `reconcile`, which handles one
 * resource. If `reconcile` returns `success: false` or throws anything but Retryable, the step fails and is
 * not retried.
 */
export interface Driver<Policy = unknown> {
  /** A subject token. */
  readonly name: string;
  /** Printed by `--version`. */
  readonly version?: string;
  readonly resources: readonly string[];
  /**
   * False if the driver uses no containers (default true). Then its program runs without Docker,
   * `context.docker` throws, and it takes the events of every host. In a pipeline with a container, its steps
   * are marked `anywhere`.
   */
  readonly usesDocker?: boolean;
  /**
   * All drivers of the pipelines that this driver is part of. A Conveyor server loses the events of a driver
   * that has never been started, so each driver of a pipeline makes sure that the events of all of them are
   * kept.
   */
  readonly pipeline?: readonly string[];
  /**
   * Set if two instances must never run the same event at once (default false). Only needed with a Conveyor
   * server (no claims): adds two messages per event. Our own engine always guarantees it.
   */
  readonly exclusive?: boolean;
  /**
   * The driver's own settings for the operator, beside those of every driver. The program's flags, variables,
   * defaults and help are made from it (see `PolicySchema`).
   */
  readonly policy?: z.ZodType<Policy>;
  /** Values of the policy that are masked like secrets, by name. */
  secretsIn?(policy: Policy): Readonly<Record<string, string>>;
  reconcile(context: Context<Policy>): Promise<DriverResult>;
  /**
   * The settings for one resource, which may ask for less than the operator allows. All of a step's work uses
   * them, including its log. Without this method the settings are used unchanged. Must not throw.
   */
  settingsFor?(resource: Resource, settings: DriverSettings): DriverSettings;
  /**
   * JSON Schema (draft 2020-12, patterns without look-around) of the `spec` of the driver's resources. It is
   * registered with a Conveyor server when the driver starts; without it nothing is registered.
   */
  schema?(): Record<string, unknown>;
  /**
   * JSON Schema of `spec.drivers.<name>`: the driver's part of the specs of resource types that other drivers
   * define.
   */
  part?(): Record<string, unknown>;
  /**
   * Returns what is wrong with the driver's input in a resource's `spec`, so that it can be refused before
   * the first step. Paths begin at `spec`. `sourceOf`: the texts of values as their author wrote them.
   */
  problemsIn?(spec: unknown, sourceOf?: SourceOf): Problem[];
  /**
   * Resolves once this host has room for one more event of the driver. Without this method there always is
   * room. Called before each event is requested, with the number of events in hand or requested, and called
   * again when that number changes. Rejects with `signal.reason`.
   *
   * Called once more when the event has arrived, with `isHere`, because the room may have been taken
   * meanwhile. Then it must not wait: `false` returns the event to the queue (an event without claims five
   * times at most).
   */
  admit?(host: {
    docker: Docker;
    settings: DriverSettings;
    policy: Policy;
    inHand: number;
    /** The runs of the events in hand, as far as they are known; with `isHere`, without the new event. */
    runs: readonly string[];
    /** With `isHere`: the run of the event. */
    run?: string | undefined;
    isHere: boolean;
    askRun: AskRun;
    /** Records why there is no room, worded for a run's log: `Waiting for a slot (1 of 1 in use)`. */
    tell(why: string): void;
    signal: AbortSignal;
  }): Promise<boolean>;
  /**
   * Returns the failure with which the step would end in any case, or undefined. If there is no room and no
   * engine of ours, the event is answered with this failure at once. Only called for an `exclusive` driver,
   * so that no other instance starts the event.
   */
  refusal?(asked: {
    resource: Resource;
    /** As `Context.event`. */
    event: string;
    docker: Docker;
    settings: DriverSettings;
    policy: Policy;
    signal: AbortSignal;
  }): Promise<StepFailure | undefined>;
  /**
   * Housekeeping on this host: called when an instance that is its own process starts, and every minute. An
   * error is only logged to the process log.
   */
  housekeep?(host: {
    docker: Docker;
    settings: DriverSettings;
    policy: Policy;
    askRun: AskRun;
    signal: AbortSignal;
  }): Promise<void>;
}

/** Everything that a driver gets for one step. */
export interface Context<Policy = unknown> {
  readonly resource: Resource;
  /** The resource as received, JSON text: keeps what a parser loses (big numbers, the order of keys). */
  readonly payload: string;
  /** The operation: `create`, `update` or `delete`. Older servers say `process` from the second step on. */
  readonly event: string;
  readonly run: string;
  readonly step: string;
  /** Starts at 1; higher if the driver of an earlier attempt was lost. */
  readonly attempt: number;
  /**
   * The step's place in the run's trace, as the value of `TRACEPARENT` (W3C Trace Context) for what the step
   * starts; undefined if the control plane sends no traces.
   */
  readonly traceparent?: string | undefined;
  /**
   * False if the event came from a Conveyor server, which has no claims: then only the driver itself cleans
   * up after a failure.
   */
  readonly claimed: boolean;
  /** Milliseconds since the epoch; undefined if the step has no time limit. */
  readonly deadline: number | undefined;
  /** Aborts on cancel, timeout, a lost claim and shutdown; its reason is a `StopError`. */
  readonly signal: AbortSignal;
  readonly log: StepLog;
  readonly docker: Docker;
  /** Results of earlier steps of this run, by driver. */
  readonly results: Readonly<Record<string, DriverResult>>;
  /**
   * By name (`<driver>:<name>` for a secret of this driver only). Masked in everything that leaves this
   * process.
   */
  readonly secrets: Readonly<Record<string, string>>;
  readonly settings: DriverSettings;
  readonly policy: Policy;
  /**
   * Stores an artifact of the run, which is never deleted (see Transport.putBlob). `mode` is its permission
   * bits (default 0644), `mtime` when it was modified, seconds since the epoch. Throws InputError if the name
   * contains a secret or the operator's limits are exceeded. `signal` defaults to the context's; pass the one
   * of `cleanup` to keep something of a step that was told to stop.
   */
  putArtifact(
    name: string,
    bytes: AsyncIterable<Uint8Array>,
    options?: { mode?: number; mtime?: number; signal?: AbortSignal },
  ): Promise<{ size: number; sha256: string }>;
  /**
   * Runs `work` with its own time limit (grace period and cleanup time); neither cancel nor timeout stops it.
   */
  cleanup<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Asks for the state of another run that has containers or volumes on this host. */
  readonly askRun: AskRun;
  /** The id of the step's event, the same for each delivery. */
  readonly eventId: string;
  /**
   * Returns whether this attempt still holds the step. Call it before an action that would harm a later
   * attempt. If the engine does not answer, it retries for as long as the step may report.
   */
  isOurs(): Promise<boolean>;
  /** What an earlier attempt of this step has left with `keepProgress`; undefined if there is nothing. */
  readonly progress: unknown;
  /**
   * Stores JSON, at most 16 KiB, that the step's next attempt gets as `progress` if this one is lost. Beside
   * a Conveyor server it is not stored. Throws InputError for anything else, and if a secret is in it.
   */
  keepProgress(progress: unknown): Promise<void>;
  /** A fault point for tests; otherwise does nothing. */
  faultPoint(point: FaultPoint): void;
}

/** The reason of a step's `signal`: why the step must stop. */
export class StopError extends Error {
  override readonly name = "StopError";
  /** `cancelled`, `timeout`, `driver-lost` (another attempt has taken over) or `shutdown`. */
  readonly reason: string;

  constructor(reason: string) {
    super(`Stopped: ${reason}`);
    this.reason = reason;
  }
}

/** The step's log. `line` and `write` wait while the buffer is full, which slows down a fast process. */
export interface StepLog {
  /** Writes lines from the driver itself, marked `system`. Newlines in the text separate lines. */
  line(text: string): Promise<void>;
  /**
   * Writes raw output of a process: it is cut into lines and secrets are masked. Pass the chunks of a stream
   * in order.
   */
  write(stream: Exclude<LogStream, "system">, data: Uint8Array): Promise<void>;
  /** Ends lines that have no newline yet, between the output of two processes. */
  endLines(): Promise<void>;
  /** Returns the last lines of this step, newest last, masked; for a result's message. */
  recent(count: number): string[];
}

/** Settings of every driver; a spec may ask for less, never for more. */
export interface DriverSettings {
  /** The installation: label `conveyor.owner`. */
  readonly owner: string;
  /** The name of this Docker host in the fleet. */
  readonly host: string;
  /**
   * The most containers of this owner on this host; undefined for no limit (a `run` always starts at once).
   */
  readonly slots: number | undefined;
  /**
   * Milliseconds between TERM and KILL. A resource may ask for less, as it may for the limits of logs and
   * artifacts.
   */
  readonly graceMs: number;
  /** No new run starts if Docker has less free disk space, bytes; 0 disables the check. */
  readonly minFreeBytes: number;
  readonly maxLogBytes: number;
  /** Lines of output per second and step; undefined for no limit. */
  readonly maxLogLines: number | undefined;
  readonly maxArtifactBytes: number;
  readonly maxArtifactFiles: number;
  /** The time limit of a step if no engine sets one, milliseconds; a spec may not ask for more. */
  readonly maxTimeoutMs: number | undefined;
}
