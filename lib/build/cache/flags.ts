import { InputError } from "../../base/errors.ts";
import { cachePath } from "./path.ts";
import { CacheName, CacheScope } from "./spec.ts";

/** Parses `NAME:PATH` of `--cache`. Throws InputError. */
export function cacheFlag(text: string): { name: string; path: string } {
  const at = text.indexOf(":");
  if (at < 0) throw new InputError(`Invalid value "${text}": expected NAME:PATH, like npm:/root/.npm`);
  const name = CacheName.safeParse(text.slice(0, at));
  if (!name.success) {
    throw new InputError(`Invalid name "${text.slice(0, at)}": ${name.error.issues[0]?.message}`);
  }
  return { name: name.data, path: cachePath(text.slice(at + 1)) };
}

/** Parses `--cache-scope`. Throws InputError. */
export function cacheScope(text: string): string {
  const scope = CacheScope.safeParse(text);
  if (scope.success) return scope.data;
  throw new InputError(`Invalid scope "${text}": ${scope.error.issues[0]?.message}`);
}
