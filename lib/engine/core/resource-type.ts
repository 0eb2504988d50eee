import type { z } from "zod";
import type { Pipeline } from "../../wire/resource.ts";

/** A resource type that the engine knows: resources of it are checked before anything runs. Of others it only carries the spec. */
export interface ResourceType<Spec = unknown> {
  readonly name: string;
  /** For a submission that names none. */
  readonly pipeline?: Pipeline;
  readonly spec?: z.ZodType<Spec>;
  /** What a valid spec says about its run. */
  followsFrom?(spec: Spec): SpecFacts;
}

export interface SpecFacts {
  readonly timeoutMs?: number;
  readonly restarts?: number;
  /** Names of the secrets that have to travel with the resource. */
  readonly secrets?: readonly string[];
}
