import { Buffer } from "node:buffer";
import { createHash, type KeyObject, verify, X509Certificate } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { tokenAlgorithm } from "../../wire/token-algorithm.ts";
import { isIssued } from "./certificate-chain.ts";
import { parseJson } from "../../base/json.ts";

export interface SignedTokenOptions {
  /** Whose certificates are accepted. */
  readonly authorities: readonly X509Certificate[];
  readonly clock: Clock;
}

/** A certificate of ours, and those between it and an authority. */
const LONGEST_CHAIN = 5;
/** From `iat` to `exp`, seconds: who signs for longer has made a password. Conveyor's SDKs sign for two minutes. */
const LONGEST_LIFE = 300;
/** How far a signer's clock may be off, seconds. */
const LEEWAY = 30;
/** A key with fewer bits proves nothing. */
const LEAST_RSA_BITS = 2048;

/** A token that is not accepted; the message says why, for our own log only. */
class Refusal extends Error {}

/**
 * Tells why a token is none of a Conveyor driver's (protocol 4), or undefined where it is one: a JWT that carries the
 * certificate of its signer and those up to an authority of ours (`x5c`), is bound to it (`cnf`), signed by its key with the
 * algorithm of that kind of key, and good for a few minutes around now.
 */
export function signedTokenCheck(options: SignedTokenOptions): (token: string) => string | undefined {
  return (token) => {
    try {
      check(token, options);
      return undefined;
    } catch (error) {
      // What a parser throws may quote the token.
      return error instanceof Refusal ? error.message : "It is no JWT with the certificate of its signer";
    }
  };
}

/** Whether a token is meant to be one of these; what is not is a password. */
export const looksSigned = (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token);

function check(token: string, { authorities, clock }: SignedTokenOptions): void {
  const [head = "", claims = "", signature = ""] = token.split(".");
  const { alg, x5c, crit } = parsed(head);
  if (crit !== undefined) throw new Refusal("It has critical headers, of which none is known");
  const [leaf, ...between] = certificates(x5c);
  if (!leaf) throw new Refusal("It carries no certificate (x5c)");
  const now = clock();
  const why = isIssued(leaf, { between, authorities, now });
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
    // Standard base64 of DER. PEM would be parsed too, and stand for something else.
    if (typeof text !== "string" || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
      throw new Refusal("Its certificates (x5c) are not in base64");
    }
    return new X509Certificate(Buffer.from(text, "base64"));
  });
}

/** What the key is decides, not what the token says: with `none`, or the certificate as a password, anybody could sign. */
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

/** `now` in seconds, as the claims have it. */
function checkClaims(
  { exp, iat, nbf, cnf }: Record<string, unknown>,
  leaf: X509Certificate,
  now: number,
): void {
  if (typeof exp !== "number" || typeof iat !== "number") {
    throw new Refusal("It says not when it was issued and expires");
  }
  if (exp + LEEWAY <= now) throw new Refusal("It has expired");
  if (iat - LEEWAY > now || (typeof nbf === "number" && nbf - LEEWAY > now)) {
    throw new Refusal("It is not valid yet: the clock of its signer is ahead of ours");
  }
  if (exp - iat > LONGEST_LIFE) throw new Refusal(`It is good for more than ${LONGEST_LIFE / 60} minutes`);
  const thumbprint = createHash("sha256").update(leaf.raw).digest("base64url");
  const bound = typeof cnf === "object" && cnf !== null ? cnf as Record<string, unknown> : {};
  if (bound["x5t#S256"] !== thumbprint && bound.jkt !== thumbprint) {
    throw new Refusal("It is not bound to the certificate that it carries (cnf)");
  }
}

function parsed(part: string): Record<string, unknown> {
  return parseJson(Buffer.from(part, "base64url").toString("utf8")) as Record<string, unknown>;
}
