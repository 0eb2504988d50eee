import { createHash } from "node:crypto";
import type { Run } from "../../wire/run.ts";

/**
 * Ids of a run's trace, made from the run's id. Every replica and every restart of the control plane uses the
 * same ones, and the run's id leads to its trace.
 */
export const traceIds = {
  /** The run's id without its hyphens. */
  trace: (run: string): string => run.replaceAll("-", "").toLowerCase(),
  run: (run: string): string => spanId([run]),
  /** A step that runs again after a fresh start has a span of its own. */
  step: (run: Run, step: string, round = run.earlier?.length ?? 0): string =>
    spanId([run.id, step, String(round)]),
} as const;

function spanId(parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("/")).digest("hex").slice(0, 16);
}

/** Returns the value of `TRACEPARENT` (W3C Trace Context, version 00) for what a step starts. */
export function traceparentOf(run: Run, step: string, { isSampled }: { isSampled: boolean }): string {
  return `00-${traceIds.trace(run.id)}-${traceIds.step(run, step)}-${isSampled ? "01" : "00"}`;
}
