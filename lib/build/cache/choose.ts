import type { CacheLine } from "./spec.ts";
import { HASH_DIGITS } from "./hash.ts";
import { type CacheScopes, DEFAULT_SCOPE } from "./scope.ts";
import type { CacheVolumes, Saved } from "./volumes.ts";

/**
 * Returns the saved cache that a run reads: of the build's own scope, else of the default branch's; with the
 * line's key, else with the first fallback key that there is; of several, the one that was used last. The key
 * of a line with files is known only after the checkout, so any key with its prefix will do until then.
 */
export function chooseSaved(
  line: CacheLine,
  { project, own }: CacheScopes,
  { saved, layers }: CacheVolumes,
): Saved | undefined {
  const whole = saved.filter((one) =>
    one.project === project && one.name === line.name && one.layers.every((layer) => layers.has(layer))
  );
  for (const scope of new Set([own, DEFAULT_SCOPE])) {
    const inScope = whole.filter((one) => one.scope === scope);
    for (const fits of wanted(line)) {
      const found = inScope.find(({ key }) => fits(key));
      if (found) return found;
    }
  }
  return undefined;
}

function wanted({ key, fallback }: CacheLine): ((key: string) => boolean)[] {
  const first = key === undefined
    ? (found: string) => found === ""
    : typeof key === "string"
    ? (found: string) => found === key
    : (found: string) => isOf(key.prefix, found);
  return [first, ...fallback.map((start) => (found: string) => found !== "" && found.startsWith(start))];
}

/** Whether a key is made of this prefix and a hash. */
export const isOf = (prefix: string, key: string): boolean =>
  key.length === prefix.length + 1 + HASH_DIGITS && key.startsWith(`${prefix}-`) &&
  /^[0-9a-f]+$/.test(key.slice(prefix.length + 1));

/** The part of a key that is known before the checkout. */
export const keyPrefix = ({ key }: CacheLine): string =>
  key === undefined ? "" : typeof key === "string" ? key : key.prefix;

/** Whether a base fits once the key is known. */
export function isUsable({ fallback }: Pick<CacheLine, "fallback">, key: string, base: string): boolean {
  return base === key || fallback.some((start) => base !== "" && base.startsWith(start));
}
