import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";

/**
 * Requests over plain HTTP that neither show the token nor can be read without it. Both sides know the token.
 * Another program that listens at the address learns nothing useful, and cannot answer in place of the
 * control plane.
 *
 * - `Authorization: Sealed <seconds>.<nonce>.<tag>`; the body is the ciphertext. AES-256-GCM under a key
 * derived from token and nonce; time, method and path are authenticated with it.
 * - `Conveyor-Proof` of the answer: HMAC-SHA256 over its status, under another key derived from token and
 * nonce.
 */
export interface RequestFacts {
  readonly method: string;
  /** Path with its query. */
  readonly path: string;
}

export interface SealedRequest {
  readonly authorization: string;
  readonly body: Uint8Array;
  /** Returns the proof that an answer with this status must carry. */
  proof(status: number): string;
}

export const PROOF_HEADER = "Conveyor-Proof";

/**
 * Maximum difference between the clocks of both sides, and how long a recorded request stays valid, seconds.
 */
const LEEWAY_S = 300;
const PATTERN = /^Sealed (\d{1,12})\.([\w-]{22})\.([\w-]{22})$/;
/** Each key is used once, so the IV may be constant. */
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

/** A request opened by the control plane. */
export interface OpenedRequest {
  readonly body: Uint8Array;
  /** False if the request is too old, or its clock is too far ahead. */
  readonly isTimely: boolean;
  proof(status: number): string;
}

/** Opens a request; undefined if it was not sealed with this token or was changed. */
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

/** Returns whether an authorization header has the form of a sealed request's. */
export const looksSealed = (authorization: string): boolean => PATTERN.test(authorization);

/** Compares in constant time. */
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
