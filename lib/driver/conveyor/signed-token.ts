import { Buffer } from "node:buffer";
import { createHash, createPrivateKey, type KeyObject, sign, X509Certificate } from "node:crypto";
import { InputError } from "../../base/errors.ts";
import { tokenAlgorithm } from "../../wire/token-algorithm.ts";

/** How long a token is valid, milliseconds; every request gets a new one. */
const LIFETIME_MS = 120_000;
/** A Conveyor server refuses a token issued in its future, and our clock may be ahead. */
const BACKDATED_MS = 60_000;

/** PEM texts. */
export interface Identity {
  /** Our certificate first, then its chain. */
  readonly cert: string;
  readonly key: string;
}

/**
 * Makes the token that authenticates us to a Conveyor server (protocol 4): a JWT that contains our
 * certificates and is signed with our key. Throws InputError if certificate or key is invalid, or if the
 * server does not support the kind of key.
 */
export function signedToken({ cert, key }: Identity, now: number): string {
  const chain = certificates(cert);
  const [leaf] = chain;
  if (!leaf) throw new InputError("Cannot sign a token: expected a certificate in PEM");
  const privateKey = privateKeyOf(key);
  const { alg, hash } = algorithmOf(privateKey);
  const head = { alg, typ: "JWT", x5c: chain.map((der) => der.toString("base64")) };
  const claims = {
    cnf: { "x5t#S256": createHash("sha256").update(leaf).digest("base64url") },
    exp: Math.floor((now + LIFETIME_MS) / 1000),
    iat: Math.floor((now - BACKDATED_MS) / 1000),
  };
  const signed = `${encoded(head)}.${encoded(claims)}`;
  const signature = sign(hash, Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}

function certificates(pem: string): Buffer[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => Buffer.from(new X509Certificate(block).raw));
  } catch (cause) {
    throw new InputError("Cannot sign a token: expected certificates in PEM", { cause });
  }
}

function privateKeyOf(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new InputError("Cannot sign a token: expected a private key in PEM", { cause });
  }
}

function algorithmOf(key: KeyObject): { alg: string; hash: string } {
  const algorithm = tokenAlgorithm(key);
  if (algorithm) return algorithm;
  const kind = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? key.type;
  throw new InputError(
    `Cannot sign a token with a key of kind "${kind}": expected RSA, or EC on P-256, P-384 or P-521`,
  );
}

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
