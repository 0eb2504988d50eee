import { createHash, type Hash } from "node:crypto";

/** Hexadecimal digits of a hash in a name or key. */
export const HASH_DIGITS = 32;

/** A hash of texts, HASH_DIGITS hexadecimal digits. */
export const hashOf = (...texts: readonly string[]): string =>
  shortDigest(createHash("sha256").update(JSON.stringify(texts)));

/** Ends a hash and returns its first HASH_DIGITS hexadecimal digits. */
export const shortDigest = (hash: Hash): string => hash.digest("hex").slice(0, HASH_DIGITS);
