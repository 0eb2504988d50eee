import type { z } from "zod";
import type { Pipeline } from "../../wire/resource.ts";

/**
 * A resource type that the engine knows: its resources are checked before anything runs. The specs of other
 * types are passed on unchecked.
 */
export interface ResourceType<Spec = unknown> {
  readonly name: string;
  /** For a submission without a pipeline. */
  readonly pipeline?: Pipeline;
  readonly spec?: z.ZodType<Spec>;
  /** Reads settings of the run from a valid spec. */
  followsFrom?(spec: Spec): SpecFacts;
}

export interface SpecFacts {
  readonly timeoutMs?: number;
  readonly restarts?: number;
  /** Names of the secrets that must be submitted with the resource. */
  readonly secrets?: readonly string[];
}
