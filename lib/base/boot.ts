import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** A point in time independent of adjustable clocks: the machine's boot, and seconds since then. */
export interface BootTime {
  readonly boot: string;
  readonly seconds: number;
}

/** Returns the current time; undefined if the system is not Linux or does not tell its boot id. */
export function bootTime(): BootTime | undefined {
  try {
    const id = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const seconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    // Hashed, so that the id, which all programs of the machine share, is not disclosed.
    const boot = createHash("sha256").update(`conveyor ${id}`).digest("hex").slice(0, 16);
    return Number.isFinite(seconds) ? { boot, seconds } : undefined;
  } catch {
    return undefined;
  }
}
