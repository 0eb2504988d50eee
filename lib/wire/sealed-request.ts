import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";

/**
 * Requests over plain HTTP that neither show the token nor can be read without it. Both sides know the token; whoever else
 * listens at the address gets nothing that is of use to them, and cannot answer in the control plane's place.
 *
 * - `Authorization: Sealed <seconds>.<nonce>.<tag>`; the body is the ciphertext. AES-256-GCM under a key of the token and the
 *   nonce; time, method and path are authenticated with it.
 * - `Conveyor-Proof` of the answer: HMAC-SHA256 over its status, under another key of the token and the nonce.
 */
export interface RequestFacts {
  readonly method: string;
  /** With its query. */
  readonly path: string;
}

export interface SealedRequest {
  readonly authorization: string;
  readonly body: Uint8Array;
  /** The proof that an answer of this status must carry. */
  proof(status: number): string;
}

export const PROOF_HEADER = "Conveyor-Proof";

/** How far the clocks of both sides may be apart, and how long a request that somebody has recorded is good, seconds. */
const LEEWAY_S = 300;
const PATTERN = /^Sealed (\d{1,12})\.([\w-]{22})\.([\w-]{22})$/;
/** A key is used once, so that its counter may begin anywhere. */
const IV = new Uint8Array(12);

export function sealRequest(
  token: string,
  facts: RequestFacts & { readonly body: Uint8Array; readonly now: number },
): SealedRequest {
  const nonce = randomBytes(16).toString("base64url");
  const seconds = String(Math.floor(facts.now / 1000));
  const keys = keysOf(token, nonce);
  const cipher = createCipheriv("aes-256-gcm", keys.request, IV).setAAD(authenticated(seconds, facts));
  const body = Buffer.concat([cipher.update(facts.body), cipher.final()]);
  const tag = cipher.getAuthTag().toString("base64url");
  return {
    authorization: `Sealed ${seconds}.${nonce}.${tag}`,
    body,
    proof: (status) => proofOf(keys.answer, status),
  };
}

/** A request as the control plane opens it. */
export interface OpenedRequest {
  readonly body: Uint8Array;
  /** False where it is too old, or from a clock that is too far ahead. */
  readonly isTimely: boolean;
  proof(status: number): string;
}

/** Undefined where it was not sealed with this token, or has been changed. */
export function openRequest(
  token: string,
  authorization: string,
  facts: RequestFacts & { readonly body: Uint8Array; readonly now: number },
): OpenedRequest | undefined {
  const [, seconds = "", nonce = "", tag = ""] = PATTERN.exec(authorization) ?? [];
  if (tag === "") return undefined;
  const keys = keysOf(token, nonce);
  const decipher = createDecipheriv("aes-256-gcm", keys.request, IV)
    .setAAD(authenticated(seconds, facts))
    .setAuthTag(Buffer.from(tag, "base64url"));
  try {
    const body = Buffer.concat([decipher.update(facts.body), decipher.final()]);
    const isTimely = Math.abs(facts.now / 1000 - Number(seconds)) <= LEEWAY_S;
    return { body, isTimely, proof: (status) => proofOf(keys.answer, status) };
  } catch {
    return undefined;
  }
}

/** Whether a request's authorization is meant to be one of these. */
export const looksSealed = (authorization: string): boolean => PATTERN.test(authorization);

/** Compares in a time that tells nothing. */
export function isProof(given: unknown, expected: string): boolean {
  if (typeof given !== "string" || given.length !== expected.length) return false;
  return timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}

function keysOf(token: string, nonce: string): { request: Uint8Array; answer: Uint8Array } {
  const bytes = new Uint8Array(hkdfSync("sha256", token, nonce, "conveyor sealed request 1", 64));
  return { request: bytes.subarray(0, 32), answer: bytes.subarray(32) };
}

const authenticated = (seconds: string, { method, path }: RequestFacts): Uint8Array =>
  Buffer.from(`${seconds}\n${method}\n${path}`);

const proofOf = (key: Uint8Array, status: number): string =>
  createHmac("sha256", key).update(`answer ${status}`).digest("base64url");
