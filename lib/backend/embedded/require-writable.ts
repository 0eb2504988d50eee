import { mkdtempSync, rmdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { UnavailableError } from "../../base/errors.ts";
import { ifThere } from "../../base/files.ts";

/**
 * Throws `UnavailableError` if this user cannot write to a data folder or, where it is missing, cannot create
 * it. A full disk is accepted.
 */
export function requireWritable(path: string): void {
  const folder = requireFolder(path);
  try {
    // Permission bits do not tell of a read-only file system.
    rmdirSync(mkdtempSync(join(folder, ".writable-")));
  } catch (cause) {
    const reason = REASONS[(cause as NodeJS.ErrnoException).code ?? ""];
    if (reason) throw unusable(path, folder, reason);
  }
}

/** Returns whether this user can write to a data folder. A full disk counts as writable. */
export function isWritable(path: string): boolean {
  try {
    requireWritable(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Returns the folder, or the nearest one above it that exists. Throws `UnavailableError` if a file is there
 * instead.
 */
export function requireFolder(path: string): string {
  let nearest = path;
  let found = ifThere(nearest, () => statSync(nearest));
  while (!found && dirname(nearest) !== nearest) {
    nearest = dirname(nearest);
    found = ifThere(nearest, () => statSync(nearest));
  }
  if (!found || found.isDirectory()) return nearest;
  throw unusable(path, nearest, {
    why: "is a file, expected a folder",
    hint: "Name another data folder with --data.",
  });
}

interface Unusable {
  readonly why: string;
  readonly hint: string;
}

const NOT_OURS: Unusable = {
  why: "may not be written to by this user",
  hint: "Run this as the user that owns it, or name another data folder with --data.",
};
const REASONS: Readonly<Record<string, Unusable>> = {
  EROFS: {
    why: "is on a read-only file system",
    hint: "Mount it writable, or name another data folder with --data.",
  },
  EACCES: NOT_OURS,
  EPERM: NOT_OURS,
};

function unusable(path: string, place: string, { why, hint }: Unusable): UnavailableError {
  const subject = place === path ? "it" : `"${place}"`;
  return new UnavailableError(`Cannot use "${path}" as data folder: ${subject} ${why}`, { hint });
}
