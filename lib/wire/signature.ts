import { Buffer } from "node:buffer";
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { HEADERS } from "./headers.ts";

/** A message as it is signed: all that decides what it means. */
export interface SignedMessage {
  readonly subject: string;
  readonly id: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The key of one attempt at a step, made of an engine's own key: who has it can sign for that attempt and for no other. Any
 * replica makes the same one, so that nothing has to be kept.
 */
export function attemptKey(engineKey: Uint8Array, run: string, step: string, attempt: string): string {
  return mac(engineKey, ["conveyor attempt v1", run, step, attempt]);
}

/** The headers of a message with its signature: HMAC-SHA-256 over subject, id, step, attempt, lines and the digest of its body. */
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

/** True where the message was signed with this key. Without `data` (nobody reads it) its digest is taken as it says. */
export function isSignedWith(key: string, message: SignedMessage, data?: Uint8Array): boolean {
  const digest = message.headers[HEADERS.digest] ?? "";
  if (data !== undefined && digestOf(data) !== digest) return false;
  return isSame(message.headers[HEADERS.signature] ?? "", mac(key, contentOf(message, digest)));
}

/** SHA-256, base64url. */
export function digestOf(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("base64url");
}

/** HMAC-SHA-256 of some texts, base64url. */
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
