import { createHash } from "node:crypto";

/** A hash of texts, 32 hexadecimal digits. */
export function hashOf(...texts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex").slice(0, 32);
}
