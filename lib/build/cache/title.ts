import { isMirror } from "../git/mirror.ts";
import type { CacheLine } from "./spec.ts";

/** What a cache is called in messages: `Cache npm`, or `Git mirror`. */
export const cacheTitle = (line: Pick<CacheLine, "name">): string =>
  isMirror(line) ? "Git mirror" : `Cache ${line.name}`;
