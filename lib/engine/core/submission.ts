import type { Pipeline, Resource } from "../../wire/resource.ts";

/** A run that is asked for. */
export interface Submission {
  /** A UUID chosen by the caller; made here without. */
  readonly run?: string;
  readonly resource: Resource;
  readonly pipeline: Pipeline;
  readonly operation: "create" | "update" | "delete";
  readonly timeoutMs: number;
  readonly restarts: number;
  /** By name. Never part of the resource. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The run that this one does again. */
  readonly retryOf?: string | undefined;
}
