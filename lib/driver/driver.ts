import type { z } from "zod";
import type { StepFailure } from "../base/errors.ts";
import type { FaultPoint } from "../base/faults.ts";
import type { Docker } from "../docker/docker.ts";
import type { DriverResult, Resource } from "../wire/resource.ts";
import type { LogStream } from "../wire/messages.ts";
import type { AskRun } from "./host/run-state.ts";

/**
 * One kind of work: a unique name, the resource types it handles, and what it does with one. Returning
 * `success: false`, or throwing anything, fails the step; neither is tried again.
 */
export interface Driver<Policy = unknown> {
  /** A subject token. */
  readonly name: string;
  /** What `--version` prints. */
  readonly version?: string;
  readonly resources: readonly string[];
  /**
   * False where it moves no containers (default true): then its program works where there is no Docker, `context.docker`
   * throws, and it takes the events of every host. In a pipeline that has a container, its steps are marked `anywhere`.
   */
  readonly usesDocker?: boolean;
  /**
   * All drivers of the pipelines that this one is part of. Beside a Conveyor server the events of those that have never been
   * started there would be lost, so each of them sees to it that they are kept.
   */
  readonly pipeline?: readonly string[];
  /**
   * True where no two instances may be at the same event at once, also for a Conveyor server, which knows no claims and may
   * send an event twice (default false). Costs two messages an event there; an engine of ours sees to it in any case.
   */
  readonly exclusive?: boolean;
  /**
   * What the operator may allow and limit, beside what every driver has: flags, variables, defaults and help of the program
   * are made from it (see `PolicySchema`).
   */
  readonly policy?: z.ZodType<Policy>;
  /** Parts of the policy that are masked as secrets are, by name. */
  secretsIn?(policy: Policy): Readonly<Record<string, string>>;
  reconcile(context: Context<Policy>): Promise<DriverResult>;
  /**
   * The settings as they hold for one resource, which may ask for less than the operator allows; all of a step's work, its
   * log included, goes by them. Without it they hold as they are. Never throws.
   */
  settingsFor?(resource: Resource, settings: DriverSettings): DriverSettings;
  /**
   * JSON Schema (draft 2020-12, patterns without look-around) of the `spec` of its resources, which a Conveyor server is
   * told when the driver starts. Without it nothing is told.
   */
  schema?(): Record<string, unknown>;
  /** JSON Schema of `spec.drivers.<name>`: the driver's part of the specs of types that others define. */
  part?(): Record<string, unknown>;
  /**
   * Resolves when this host has room for one more event of the driver; without it there always is. Asked before each
   * event is taken, with the number of events in hand or on their way, and asked anew when that changes; rejects with
   * `signal.reason`. Asked once more when the event has come, since that may have taken its time: then (`isHere`) it waits for
   * nothing, and `false` gives the event to another instance (one without claims, five times at most).
   */
  admit?(host: {
    docker: Docker;
    settings: DriverSettings;
    policy: Policy;
    inHand: number;
    /** The runs of these events, as far as they are known; with `isHere` without the one that it is about. */
    runs: readonly string[];
    /** With `isHere`: the run that the event is of. */
    run?: string | undefined;
    isHere: boolean;
    askRun: AskRun;
    /** Says why there is no room, in words for a run's log: `Waiting for a slot (1 of 1 in use)`. */
    tell(why: string): void;
    signal: AbortSignal;
  }): Promise<boolean>;
  /**
   * The failure that an event's step would have whatever room there is: where there is none and no engine of ours, the event is
   * answered with it at once. Only for a driver that is `exclusive`, so that no other instance begins it.
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
   * Housekeeping on this host: called at the start of an instance that is a process of its own, and every minute. What it
   * throws is a line in the process log.
   */
  housekeep?(host: {
    docker: Docker;
    settings: DriverSettings;
    policy: Policy;
    askRun: AskRun;
    signal: AbortSignal;
  }): Promise<void>;
}

/** Everything a step knows and may use. */
export interface Context<Policy = unknown> {
  readonly resource: Resource;
  /** The resource as it came, JSON text: what a parser loses (big numbers, the order of keys) still stands there. */
  readonly payload: string;
  /** The operation: `create`, `update` or `delete`. Older servers say `process` from the second step on. */
  readonly event: string;
  readonly run: string;
  readonly step: string;
  /** 1 for the first; more when an earlier attempt's driver was lost. */
  readonly attempt: number;
  /** From a Conveyor server there are no claims: nobody but the driver itself cleans up after a failure. */
  readonly claimed: boolean;
  /** Milliseconds since the epoch; undefined without limit. */
  readonly deadline: number | undefined;
  /** Fires on cancel, timeout, a lost claim and shutdown; its reason is a `StopError`. */
  readonly signal: AbortSignal;
  readonly log: StepLog;
  readonly docker: Docker;
  /** Results of earlier steps of this run by driver, whatever shape the server stored them in. */
  readonly results: Readonly<Record<string, DriverResult>>;
  /** By name (one that is for this driver only: `<driver>:<name>`); masked in everything that leaves this process. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly settings: DriverSettings;
  readonly policy: Policy;
  /**
   * Stores a file of the run for ever (see Transport.putBlob), with its permission bits (0644 without). Throws InputError on a
   * name with a secret in it, and past the operator's limits, too.
   */
  putArtifact(
    name: string,
    bytes: AsyncIterable<Uint8Array>,
    options?: { mode?: number },
  ): Promise<{ size: number; sha256: string }>;
  /** Runs `work` under its own short clock, which neither cancel nor timeout stops: for cleaning up. */
  cleanup<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Asks what is known of another run that has something on this host. */
  readonly askRun: AskRun;
  /** The id of the step's event, the same for each of its deliveries. */
  readonly eventId: string;
  /**
   * Asks whether the step is still this attempt's, before something that would harm one that has taken it over. Where
   * nobody can tell, it waits for as long as the step may report at all.
   */
  isOurs(): Promise<boolean>;
  /** A test's fault point; does nothing else. */
  faultPoint(point: FaultPoint): void;
}

/** Why a step was told to stop: the reason of its `signal`. */
export class StopError extends Error {
  override readonly name = "StopError";
  /** `cancelled`, `timeout`, `driver-lost` (another attempt has taken over) or `shutdown`. */
  readonly reason: string;

  constructor(reason: string) {
    super(`Stopped: ${reason}`);
    this.reason = reason;
  }
}

/** The step's part of the run's log. Both calls wait while the buffer is full; that is what slows a fast process down. */
export interface StepLog {
  /** Whole lines from the driver itself, marked `system`. Newlines in the text make several lines. */
  line(text: string): Promise<void>;
  /** Raw output of a process: cut into lines, secrets masked. Chunks of one stream in their order. */
  write(stream: Exclude<LogStream, "system">, data: Uint8Array): Promise<void>;
  /** Ends what is still without its newline (a process has ended, another begins). */
  endLines(): Promise<void>;
  /** The last lines of this step, newest last, masked; for a result's message. */
  recent(count: number): string[];
}

/** What every driver is run with; a spec may ask for less, never for more. */
export interface DriverSettings {
  /** The installation: label `conveyor.owner`. */
  readonly owner: string;
  /** The name of this Docker host in the fleet. */
  readonly host: string;
  /** Containers of this owner at once on this host; undefined: no limit (a `run` does what it was told, now). */
  readonly slots: number | undefined;
  /** TERM to KILL, milliseconds. A resource may ask for less, as for less log and artifacts. */
  readonly graceMs: number;
  /** No new run where Docker has less disk than this left, bytes; 0 does not look. */
  readonly minFreeBytes: number;
  readonly maxLogBytes: number;
  /** Lines of a step's output a second; undefined for as many as the store takes. */
  readonly maxLogLines: number | undefined;
  readonly maxArtifactBytes: number;
  readonly maxArtifactFiles: number;
  /** How long a step may take where no engine limits it; a spec may not ask for more. */
  readonly maxTimeoutMs: number | undefined;
}
