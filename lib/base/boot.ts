import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** A point in time independent of adjustable clocks: the machine's boot, and seconds since then. */
export interface BootTime {
  readonly boot: string;
  readonly seconds: number;
}

/**
 * Returns a clock that tells the current time since the machine's boot; undefined if the system is not Linux or
 * does not tell its boot id.
 */
export function bootClock(): () => BootTime | undefined {
  let boot: string | undefined;
  return () => {
    try {
      const seconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
      // The boot cannot change while this process lives.
      return Number.isFinite(seconds) ? { boot: boot ??= bootName(), seconds } : undefined;
    } catch {
      return undefined;
    }
  };
}

function bootName(): string {
  const id = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  // Hashed, so that the id, which all programs of the machine share, is not disclosed.
  return createHash("sha256").update(`conveyor ${id}`).digest("hex").slice(0, 16);
}
