import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** A moment, as no clock that can be set tells it: which boot of this machine, and seconds since then. */
export interface BootTime {
  readonly boot: string;
  readonly seconds: number;
}

/** Now; undefined where the system is not Linux, and does not say which boot it is. */
export function bootTime(): BootTime | undefined {
  try {
    const id = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const seconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    // The id itself is nobody's business: it is the same for all programs of the machine.
    const boot = createHash("sha256").update(`conveyor ${id}`).digest("hex").slice(0, 16);
    return Number.isFinite(seconds) ? { boot, seconds } : undefined;
  } catch {
    return undefined;
  }
}
