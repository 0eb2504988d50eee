import { UnavailableError } from "../../../base/errors.ts";

/** The first versions that have all we use. */
const LEAST = { bun: "1.4.0", deno: "2.9.0" } as const;

/** Throws UnavailableError on a Bun or Deno that is too old, which would fail later and say less. */
export function checkRuntime(versions: Readonly<Record<string, string | undefined>>): void {
  for (const [name, least] of Object.entries(LEAST)) {
    const version = versions[name];
    if (version === undefined || compare(version, least) >= 0) continue;
    throw new UnavailableError(`Cannot run on ${name} ${version}: expected ${least} or newer`, {
      hint: "Get Bun from bun.com or Deno from deno.com",
    });
  }
}

/** By numbers; what follows them (`-canary.1`) does not count. */
function compare(version: string, other: string): number {
  const [a, b] = [version, other].map((text) => text.split(/[.+-]/).slice(0, 3).map(Number));
  return [0, 1, 2].map((i) => (a?.[i] ?? 0) - (b?.[i] ?? 0)).find((difference) => difference !== 0) ?? 0;
}
