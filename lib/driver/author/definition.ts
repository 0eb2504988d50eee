import type { z } from "zod";
import type { Reason } from "../../wire/reasons.ts";
import type { Context, Driver } from "../driver.ts";
import type { Again } from "./again.ts";
import type { RunContainer } from "./run-container.ts";

/** A driver as its author writes it. Optional parts that are left out are neither checked nor typed. */
export interface DriverDefinition<Spec, Own extends string, Contained extends boolean, Policy = unknown>
  extends Omit<Driver<Policy>, "reconcile"> {
  /**
   * Schema of the driver's input, checked before `reconcile`, which gets it as `spec`. Invalid input fails
   * the step (`invalid-spec`) with path, value and what was expected. Its JSON Schema is registered with a
   * Conveyor server.
   */
  readonly spec?: z.ZodType<Spec>;
  /**
   * True if `resources` are the driver's own types: `spec` is then the whole spec. Otherwise `spec` is the
   * driver's part of another driver's resource: `spec.drivers.<name>`.
   */
  readonly ownsResources?: boolean;
  /** If true, `reconcile` gets the run's container as `container`. */
  readonly container?: Contained;
  /** Reasons that a failed step may give in addition to the common ones. */
  readonly reasons?: readonly Own[];
  reconcile(
    context: AuthorContext<Spec, Own, Contained, Policy>,
  ): StepAnswer<NoInfer<Own>> | Promise<StepAnswer<NoInfer<Own>>>;
}

/** The argument of `reconcile`. */
export interface AuthorContext<Spec, Own extends string, Contained extends boolean, Policy = unknown>
  extends Context<Policy> {
  readonly spec: Spec;
  readonly container: Contained extends true ? RunContainer : undefined;
  /** The `progress` that the previous call passed to `again`, also that of an attempt that was lost. */
  readonly progress: unknown;
  /** Fails the step: throws, so it can be called from anywhere. */
  readonly fail: Fail<Own>;
}

export type Fail<Own extends string> = (
  reason: Own | Reason,
  message: string,
  data?: Record<string, unknown>,
) => never;

/** The return value of `reconcile`: how the step ended, or `again(…)`. */
export type StepAnswer<Own extends string> = StepResult<Own> | Again;

export interface StepResult<Own extends string> {
  readonly success: boolean;
  /** One sentence for people who look at the run. */
  readonly message: string;
  /** Data for later steps and for scripts: JSON, at most 64 KiB. */
  readonly data?: unknown;
  /** Why the step failed: a common reason, or one of the driver's `reasons`. Stored as `data.reason`. */
  readonly reason?: Own | Reason;
}
