import type { KeyObject } from "node:crypto";

/**
 * Returns the algorithm with which a key signs the token of protocol 4: its name in the token, and the hash
 * of its signature. Undefined if this kind of key has none.
 */
export function tokenAlgorithm(key: KeyObject): { alg: string; hash: string } | undefined {
  if (key.asymmetricKeyType === "rsa") return { alg: "RS256", hash: "sha256" };
  if (key.asymmetricKeyType !== "ec") return undefined;
  switch (key.asymmetricKeyDetails?.namedCurve) {
    case "prime256v1":
    case "P-256":
      return { alg: "ES256", hash: "sha256" };
    case "secp384r1":
    case "P-384":
      return { alg: "ES384", hash: "sha384" };
    case "secp521r1":
    case "P-521":
      return { alg: "ES512", hash: "sha512" };
  }
  return undefined;
}
