import type { z } from "zod";
import type { Reason } from "../../wire/reasons.ts";
import type { Context, Driver } from "../driver.ts";
import type { Again } from "./again.ts";
import type { RunContainer } from "./run-container.ts";

/** A driver as its author writes it. What is left out is not checked, not typed and costs nothing. */
export interface DriverDefinition<Spec, Own extends string, Contained extends boolean, Policy = unknown>
  extends Omit<Driver<Policy>, "reconcile"> {
  /**
   * What the driver wants to be told. Checked before `reconcile`, which gets it as `spec`; what is wrong fails the step (`invalid-spec`)
   * with path, value and what was expected. A Conveyor server is told its JSON Schema.
   */
  readonly spec?: z.ZodType<Spec>;
  /**
   * True where `resources` are the driver's own types: `spec` is then their whole spec. Otherwise it is the driver's part of somebody
   * else's: `spec.drivers.<name>`.
   */
  readonly ownsResources?: boolean;
  /** True gives `reconcile` the run's container, as `container`. */
  readonly container?: Contained;
  /** Words that a failed step may give as its reason, beside the common ones. */
  readonly reasons?: readonly Own[];
  reconcile(
    context: AuthorContext<Spec, Own, Contained, Policy>,
  ): StepAnswer<NoInfer<Own>> | Promise<StepAnswer<NoInfer<Own>>>;
}

/** What `reconcile` gets. */
export interface AuthorContext<Spec, Own extends string, Contained extends boolean, Policy = unknown>
  extends Context<Policy> {
  readonly spec: Spec;
  readonly container: Contained extends true ? RunContainer : undefined;
  /** What the call before this one has given to `again`. */
  readonly progress: unknown;
  /** Ends the step as failed, from wherever it is called: throws. */
  readonly fail: Fail<Own>;
}

export type Fail<Own extends string> = (
  reason: Own | Reason,
  message: string,
  data?: Record<string, unknown>,
) => never;

/** What `reconcile` answers: how the step ended, or `again(…)`. */
export type StepAnswer<Own extends string> = StepResult<Own> | Again;

export interface StepResult<Own extends string> {
  readonly success: boolean;
  /** One sentence for whoever looks at the run. */
  readonly message: string;
  /** Facts for the steps that follow and for scripts: JSON, at most 64 KiB. */
  readonly data?: unknown;
  /** Why it failed: a common word, or one of the driver's `reasons`. It stands in `data.reason`. */
  readonly reason?: Own | Reason;
}
