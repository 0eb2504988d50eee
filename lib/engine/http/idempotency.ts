import { createHash } from "node:crypto";
import { InputError } from "../../base/errors.ts";

/**
 * Derives the run's id from the submitter's key, so that a repeated request finds the same run on every
 * replica, and none of another submitter.
 */
export function runOfKey(key: string, submitter = ""): string {
  if (key === "" || key.length > 255) {
    throw new InputError("Invalid Idempotency-Key: expected a text of 255 characters at most");
  }
  const text = JSON.stringify(["conveyor idempotency key", submitter, key]);
  const hex = createHash("sha256").update(text).digest("hex");
  // UUID version 8: custom content.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${
    hex.slice(20, 32)
  }`;
}
