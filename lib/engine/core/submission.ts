import type { Pipeline, Resource } from "../../wire/resource.ts";

/** A request for a run. */
export interface Submission {
  /** A UUID chosen by the caller; generated if missing. */
  readonly run?: string;
  readonly resource: Resource;
  readonly pipeline: Pipeline;
  readonly operation: "create" | "update" | "delete";
  readonly timeoutMs: number;
  readonly restarts: number;
  /** By name. Never part of the resource. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The run that this one repeats. */
  readonly retryOf?: string | undefined;
}
