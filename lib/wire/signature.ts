import { Buffer } from "node:buffer";
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { HEADERS } from "./headers.ts";

/** The signed parts of a message: all that decide its meaning. */
export interface SignedMessage {
  readonly subject: string;
  readonly id: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Returns the key of one attempt at a step, derived from the engine's own key. Its holder can sign for that
 * attempt only. Every replica derives the same key, so none is stored.
 */
export function attemptKey(engineKey: Uint8Array, run: string, step: string, attempt: string): string {
  return mac(engineKey, ["conveyor attempt v1", run, step, attempt]);
}

/**
 * Returns the message's headers with its signature: HMAC-SHA-256 over subject, id, step, attempt, lines and
 * the body's digest.
 */
export function signed(
  key: string,
  message: SignedMessage,
  data: Uint8Array | string,
): Record<string, string> {
  const digest = digestOf(data);
  return {
    ...message.headers,
    [HEADERS.digest]: digest,
    [HEADERS.signature]: mac(key, contentOf(message, digest)),
  };
}

/**
 * True if the message was signed with this key. Without `data` (the body is not read) the digest in its
 * header is trusted.
 */
export function isSignedWith(key: string, message: SignedMessage, data?: Uint8Array): boolean {
  const digest = message.headers[HEADERS.digest] ?? "";
  if (data !== undefined && digestOf(data) !== digest) return false;
  return isSame(message.headers[HEADERS.signature] ?? "", mac(key, contentOf(message, digest)));
}

/** Returns the SHA-256 in base64url. */
export function digestOf(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("base64url");
}

/** Returns the HMAC-SHA-256 of several texts in base64url. */
export function mac(key: Uint8Array | string, parts: readonly string[]): string {
  return createHmac("sha256", key).update(JSON.stringify(parts)).digest("base64url");
}

export function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function contentOf({ subject, id, headers }: SignedMessage, digest: string): string[] {
  const of = (name: string) => headers[name] ?? "";
  return [subject, id ?? "", of(HEADERS.step), of(HEADERS.attempt), of(HEADERS.lines), digest];
}
