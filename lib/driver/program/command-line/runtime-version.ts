import { UnavailableError } from "../../../base/errors.ts";

/** The oldest versions that have all features that we use. */
const LEAST = { bun: "1.4.0", deno: "2.9.0" } as const;

/**
 * Throws UnavailableError if Bun or Deno is too old: otherwise it would fail later with a less clear error.
 */
export function checkRuntime(versions: Readonly<Record<string, string | undefined>>): void {
  for (const [name, least] of Object.entries(LEAST)) {
    const version = versions[name];
    if (version === undefined || compare(version, least) >= 0) continue;
    throw new UnavailableError(`Cannot run on ${name} ${version}: expected ${least} or newer`, {
      hint: "Get Bun from bun.com or Deno from deno.com",
    });
  }
}

/** Compares the numbers; ignores a suffix (`-canary.1`). */
function compare(version: string, other: string): number {
  const [a, b] = [version, other].map((text) => text.split(/[.+-]/).slice(0, 3).map(Number));
  return [0, 1, 2].map((i) => (a?.[i] ?? 0) - (b?.[i] ?? 0)).find((difference) => difference !== 0) ?? 0;
}
