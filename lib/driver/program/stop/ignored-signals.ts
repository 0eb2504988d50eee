import { readFileSync } from "node:fs";
import { constants } from "node:os";
import type { StopSignal } from "./stop.ts";

/**
 * Returns those of these signals that this process was started to ignore: by `nohup`, by `trap ''`, or as a
 * background job of a script. Call it before handlers are installed, because a handler would end that.
 * Returns none except on Linux.
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
