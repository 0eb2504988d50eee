import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { parseGlobs } from "../../base/glob/glob.ts";
import { parsedText } from "../../wire/parsed-text.ts";
import { cachePath } from "./path.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const MOST_CACHES = 16;

/** The name of a cache. */
export const CacheName = z.string().regex(
  NAME,
  "expected a name: a letter or digit, then letters, digits, . _ and -, at most 63",
);
const keyText = z.string().regex(
  KEY,
  "expected a key: a letter or digit, then letters, digits, . _ and -, at most 128",
);

/** A name for the scope of caches; as a ref without spaces. */
export const CacheScope = z.string().regex(
  /^[A-Za-z0-9][A-Za-z0-9._/@-]{0,254}$/,
  "expected a scope: a letter or digit, then letters, digits and . _ / @ -, at most 255",
);

/** One line of `spec.cache`. */
const CacheLine = z.strictObject({
  name: CacheName.describe("name of the cache in its project"),
  path: parsedText(cachePath).describe("absolute folder in the container, outside of the workspace"),
  key: z.union([
    keyText,
    z.strictObject({
      prefix: keyText.default("files"),
      files: z.array(z.string().min(1)).min(1).max(64),
    }),
  ]).optional().describe(
    "what the content belongs to: a text, or `{prefix, files}` where globs name files whose content counts; a cache with the very key is used and not saved again",
  ),
  fallback: z.array(keyText).max(16).default([]).describe(
    "beginnings of other keys whose cache may be used when there is none with the key",
  ),
});
export type CacheLine = z.infer<typeof CacheLine>;

/** `spec.cache`. */
export const CacheLines = z.array(CacheLine).max(MOST_CACHES).default([]).describe(
  "folders that later builds of the same repository find again: [caching.md](caching.md)",
);

/**
 * Throws InputError if two caches have the same name, one is inside another, or a glob of a key is invalid.
 */
export function checkCaches(lines: readonly CacheLine[]): void {
  for (const [i, { name, path, key, fallback }] of lines.entries()) {
    if (typeof key === "object") parseGlobs(key.files);
    if (key === undefined && fallback.length > 0) {
      throw new InputError(`The cache "${name}" has fallback keys and no key: expected a key too`);
    }
    for (const other of lines.slice(0, i)) {
      if (other.name === name) {
        throw new InputError(`Two caches are named "${name}": expected names of their own`);
      }
      if (`${path}/`.startsWith(`${other.path}/`) || `${other.path}/`.startsWith(`${path}/`)) {
        throw new InputError(
          `The caches "${other.name}" and "${name}" lie in each other: ${other.path}, ${path}`,
        );
      }
    }
  }
}
