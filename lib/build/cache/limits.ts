import { z } from "zod";
import { duration, size } from "../../driver/program/command-line/values.ts";
import { parsedText } from "../../wire/parsed-text.ts";
import type { CacheLimits } from "../policy.ts";

/** Flags for what caches may take. */
export const CACHE_LIMITS = z.object({
  cacheMax: parsedText(size).prefault("20g").meta({
    value: "size",
    description: "disk that builds' caches may take together; those used longest ago go first",
  }),
  cacheAge: parsedText(duration).prefault("30d").meta({
    value: "time",
    description: "how long a cache stays that no build uses",
  }),
});

/** The operator's flags for caches. */
export const CACHE_FLAGS = CACHE_LIMITS.extend({
  gitMirror: z.enum(["on", "off"]).default("on").meta({
    value: "use",
    description: "keep what was fetched of large repositories, so that the next clone fetches what is new",
  }),
});

/** The values of these flags. */
export type CacheFlags = z.output<typeof CACHE_FLAGS>;

/** Returns the limits that these flags set. */
export function cacheLimits(
  { cacheMax, cacheAge }: Pick<CacheFlags, "cacheMax" | "cacheAge">,
): CacheLimits {
  return { maxBytes: cacheMax, maxAgeMs: cacheAge };
}
