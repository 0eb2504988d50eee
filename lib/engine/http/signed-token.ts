import { Buffer } from "node:buffer";
import { createHash, type KeyObject, verify, X509Certificate } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { tokenAlgorithm } from "../../wire/token-algorithm.ts";
import { whyNotIssued } from "./certificate-chain.ts";
import { parseJson } from "../../base/json.ts";

export interface SignedTokenOptions {
  /** Certificates issued by these authorities are accepted. */
  readonly authorities: readonly X509Certificate[];
  readonly clock: Clock;
}

/** Maximum number of certificates in `x5c`. */
const LONGEST_CHAIN = 5;
/**
 * Maximum time from `iat` to `exp`, seconds: a longer one makes the token a password. Conveyor's SDKs use two
 * minutes.
 */
const LONGEST_LIFE = 300;
/** Tolerated clock difference between signer and control plane, seconds. */
const LEEWAY = 30;
/** Shorter RSA keys are rejected. */
const LEAST_RSA_BITS = 2048;

/** Thrown for a rejected token. The message says why, for the process log only. */
class Refusal extends Error {}

/**
 * Returns a function that returns why a token is rejected, or undefined if it is a valid Conveyor driver
 * token (protocol 4). A valid token is a JWT that carries its signer's certificate and the chain to an
 * accepted authority (`x5c`). It is bound to that certificate (`cnf`), signed by its key with the algorithm
 * for that kind of key, and valid for a few minutes around now.
 */
export function signedTokenCheck(options: SignedTokenOptions): (token: string) => string | undefined {
  return (token) => {
    try {
      check(token, options);
      return undefined;
    } catch (error) {
      // A parser's message may quote the token.
      return error instanceof Refusal ? error.message : "It is not a JWT with the certificate of its signer";
    }
  };
}

/** Returns true if the token looks like a JWT; any other token is a password. */
export const looksSigned = (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token);

function check(token: string, { authorities, clock }: SignedTokenOptions): void {
  const [head = "", claims = "", signature = ""] = token.split(".");
  const { alg, x5c, crit } = parsed(head);
  if (crit !== undefined) throw new Refusal("It has critical headers, which are not supported");
  const [leaf, ...between] = certificates(x5c);
  if (!leaf) throw new Refusal("It carries no certificate (x5c)");
  const now = clock();
  const why = whyNotIssued(leaf, { between, authorities, now });
  if (why !== undefined) throw new Refusal(why);
  const hash = hashFor(alg, leaf.publicKey);
  const key = { key: leaf.publicKey, dsaEncoding: "ieee-p1363" } as const;
  if (!verify(hash, Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, "base64url"))) {
    throw new Refusal("Its signature is not that of its certificate's key");
  }
  checkClaims(parsed(claims), leaf, now / 1000);
}

function certificates(x5c: unknown): X509Certificate[] {
  if (!Array.isArray(x5c)) return [];
  if (x5c.length > LONGEST_CHAIN) throw new Refusal(`It carries more than ${LONGEST_CHAIN} certificates`);
  return x5c.map((text) => {
    // Only standard base64 of DER: X509Certificate also parses PEM, which would be a different certificate.
    if (typeof text !== "string" || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
      throw new Refusal("Its certificates (x5c) are not in base64");
    }
    return new X509Certificate(Buffer.from(text, "base64"));
  });
}

/**
 * The key determines the algorithm, not the token: with `none`, or the public certificate as an HMAC key,
 * anybody could sign.
 */
function hashFor(alg: unknown, key: KeyObject): string {
  const { alg: expected, hash } = algorithmOf(key);
  if (alg === expected) return hash;
  throw new Refusal(`Its algorithm is not ${expected}, which belongs to its certificate's key`);
}

function algorithmOf(key: KeyObject): { alg: string; hash: string } {
  const algorithm = tokenAlgorithm(key);
  const isShort = key.asymmetricKeyType === "rsa" &&
    (key.asymmetricKeyDetails?.modulusLength ?? 0) < LEAST_RSA_BITS;
  if (algorithm && !isShort) return algorithm;
  throw new Refusal(
    "Its certificate's key is of no accepted kind: expected RSA of 2048 bits, or EC on P-256, P-384 or P-521",
  );
}

/** `now` is in seconds, as the claims are. */
function checkClaims(
  { exp, iat, nbf, cnf }: Record<string, unknown>,
  leaf: X509Certificate,
  now: number,
): void {
  if (typeof exp !== "number" || typeof iat !== "number") {
    throw new Refusal("It has no iat and exp claims");
  }
  if (exp + LEEWAY <= now) throw new Refusal("It has expired");
  if (iat - LEEWAY > now || (typeof nbf === "number" && nbf - LEEWAY > now)) {
    throw new Refusal("It is not valid yet: the clock of its signer is ahead of ours");
  }
  if (exp - iat > LONGEST_LIFE) throw new Refusal(`It is valid for more than ${LONGEST_LIFE / 60} minutes`);
  const thumbprint = createHash("sha256").update(leaf.raw).digest("base64url");
  const bound = typeof cnf === "object" && cnf !== null ? cnf as Record<string, unknown> : {};
  if (bound["x5t#S256"] !== thumbprint && bound.jkt !== thumbprint) {
    throw new Refusal("It is not bound to the certificate that it carries (cnf)");
  }
}

function parsed(part: string): Record<string, unknown> {
  return parseJson(Buffer.from(part, "base64url").toString("utf8")) as Record<string, unknown>;
}
