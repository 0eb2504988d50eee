import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** A point in time independent of adjustable clocks: the machine's boot, and seconds since then. */
export interface BootTime {
  readonly boot: string;
  readonly seconds: number;
}

/**
 * Returns a clock that tells the current time since the machine's boot; undefined if the system is not Linux
 * or does not tell its boot id.
 */
export function bootClock(): () => BootTime | undefined {
  let boot: string | undefined;
  let last: { readonly time: BootTime; readonly at: number } | undefined;
  return () => {
    const at = performance.now();
    if (last && at - last.at < READ_EVERY_MS) {
      return { ...last.time, seconds: last.time.seconds + (at - last.at) / 1000 };
    }
    try {
      const seconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
      if (!Number.isFinite(seconds)) return undefined;
      // The boot cannot change while this process lives.
      last = { time: { boot: boot ??= bootName(), seconds }, at };
      return last.time;
    } catch {
      return undefined;
    }
  };
}

/**
 * How often the file is read: the process's own clock, which stands while the machine sleeps, serves in
 * between.
 */
const READ_EVERY_MS = 1000;

function bootName(): string {
  const id = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  // Hashed, so that the id, which all programs of the machine share, is not disclosed.
  return createHash("sha256").update(`conveyor ${id}`).digest("hex").slice(0, 16);
}
