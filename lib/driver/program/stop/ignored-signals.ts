import { readFileSync } from "node:fs";
import { constants } from "node:os";
import type { StopSignal } from "./stop.ts";

/**
 * Of these signals, the ones that this process was started to ignore: by `nohup`, by `trap ''`, or as a background job of a
 * script. A handler would end that. Call it before there are handlers. Linux only: elsewhere none is known.
 */
export function ignoredSignals(signals: readonly StopSignal[], status = readStatus()): StopSignal[] {
  const digits = /^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  const mask = BigInt(`0x${digits}`);
  return signals.filter((signal) => (mask >> BigInt(constants.signals[signal] - 1)) & 1n);
}

function readStatus(): string {
  try {
    return readFileSync("/proc/self/status", "utf8");
  } catch {
    return "";
  }
}
