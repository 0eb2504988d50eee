import { InputError } from "./errors.ts";

/** Sticky (`y`): each part must begin where the one before ends. */
const DURATION_PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/gy;
const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE = /^(\d+(?:\.\d+)?)([kmgt]?)i?b?$/i;
const SIZE_UNITS: Record<string, number> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** A hundred years: a point in time further away is not a valid date. */
const LONGEST_MS = 36_500 * 86_400_000;

/**
 * Parses a duration like `30m`, `1h30m` or `250ms` to milliseconds; a bare number means seconds. Throws
 * `InputError`.
 */
export function parseDuration(text: string): number {
  const ms = millisecondsOf(text);
  if (ms <= LONGEST_MS) return ms;
  throw new InputError(`Invalid duration "${text}": expected 36500d at most`);
}

function millisecondsOf(text: string): number {
  const value = text.trim();
  if (/^\d+(\.\d+)?$/.test(value)) return Math.round(Number(value) * 1000);
  let total = 0;
  let read = 0;
  for (const [part, amount, unit = ""] of value.matchAll(DURATION_PART)) {
    read += part.length;
    total += Number(amount) * (DURATION_UNITS[unit] ?? Number.NaN);
  }
  if (value === "" || read !== value.length) {
    throw new InputError(`Invalid duration "${text}": expected a number with a unit, like 30s, 15m or 1h30m`);
  }
  return Math.round(total);
}

/**
 * Parses a size like `4g`, `512m`, `1.5GiB` or `1048576` to bytes; units are powers of 1024. Throws
 * `InputError`.
 */
export function parseSize(text: string): number {
  const match = SIZE.exec(text.trim());
  const bytes = Math.round(Number(match?.[1]) * (SIZE_UNITS[(match?.[2] ?? "").toLowerCase()] ?? Number.NaN));
  if (!Number.isSafeInteger(bytes)) {
    throw new InputError(`Invalid size "${text}": expected bytes or a number with a unit, like 512m or 4g`);
  }
  return bytes;
}

/** Returns a count with its noun: `1 file`, `2 files`. `several`: the noun's other form, if it has no `s`. */
export const counted = (count: number, one: string, several = `${one}s`): string =>
  `${count} ${count === 1 ? one : several}`;

/** Formats a size in bytes: `512 B`, `1.5 MiB`. */
export function formatSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Formats a duration in milliseconds: `0.42 s`, `12.3 s`, `3m 07s`, `1h 02m`. */
export function formatDuration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h ${two(Math.floor(seconds / 60) % 60)}m`;
}
