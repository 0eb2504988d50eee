import { readFileSync } from "node:fs";

/** Put in by `scripts/build`. */
declare const CONVEYOR_VERSION: string | undefined;

/** The version in package.json: built in where we are compiled, read where we run from source. */
export function version(): string {
  if (typeof CONVEYOR_VERSION === "string") return CONVEYOR_VERSION;
  return JSON.parse(readFileSync(new URL("../../../../package.json", import.meta.url), "utf8")).version;
}
