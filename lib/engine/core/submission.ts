import type { Pipeline, Resource } from "../../wire/resource.ts";

/** A request for a run. */
export interface Submission {
  /** A UUID chosen by the caller; generated if missing. */
  readonly run?: string;
  readonly resource: Resource;
  /** The spec's JSON text, if parsing and writing it again would change it. */
  readonly specText?: string | undefined;
  /**
   * Without steps, the event goes to every driver that handles the type, as at a Conveyor server: nobody
   * waits for their results.
   */
  readonly pipeline: Pipeline;
  readonly operation: "create" | "update" | "delete";
  readonly timeoutMs: number;
  readonly restarts: number;
  /** By name. Never part of the resource. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The run that this one repeats. */
  readonly retryOf?: string | undefined;
  /** The name of the token with which it was submitted. */
  readonly submitter?: string | undefined;
}
