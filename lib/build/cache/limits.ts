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

/** The values of these flags. */
export type CacheFlags = z.output<typeof CACHE_LIMITS>;

/** Returns the limits that these flags set. */
export function cacheLimits({ cacheMax, cacheAge }: CacheFlags): CacheLimits {
  return { maxBytes: cacheMax, maxAgeMs: cacheAge };
}
