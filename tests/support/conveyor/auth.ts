import { createHash, verify, X509Certificate } from "node:crypto";

/**
 * Returns the message with which a Conveyor server that trusts `ca` refuses this `Authorization` header (401,
 * protocol 4); undefined if it accepts it.
 */
export function refusal(header: string | undefined, ca: string, now = Date.now()): string | undefined {
  if (!header) return "missing Authorization header";
  const [scheme = "", token, ...more] = header.split(" ");
  if (scheme.toLowerCase() !== "bearer" || !token || more.length > 0) {
    return "invalid Authorization header format";
  }
  try {
    return check(token, new X509Certificate(ca), now);
  } catch {
    return "invalid token";
  }
}

const HASHES: Record<string, string> = { RS256: "sha256", ES256: "sha256", ES384: "sha384", ES512: "sha512" };

function check(token: string, ca: X509Certificate, now: number): string | undefined {
  const [head = "", body = "", signature = ""] = token.split(".");
  const { alg, x5c } = parsed(head);
  const claims = parsed(body);
  // Standard base64 of DER, not base64url and not PEM.
  const chain = (x5c as string[]).map((text) => {
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw new Error("illegal base64 data");
    return new X509Certificate(Buffer.from(text, "base64"));
  });
  const [leaf] = chain;
  if (!leaf || !isTrusted(leaf, chain.slice(1), ca)) return "invalid token";
  const thumbprint = createHash("sha256").update(leaf.raw).digest("base64url");
  const cnf = claims.cnf as Record<string, string>;
  if (cnf["x5t#S256"] !== thumbprint && cnf.jkt !== thumbprint) return "invalid token";
  const hash = HASHES[String(alg)];
  const isSigned = hash !== undefined &&
    verify(
      hash,
      Buffer.from(`${head}.${body}`),
      { key: leaf.publicKey, dsaEncoding: "ieee-p1363" },
      Buffer.from(signature, "base64url"),
    );
  if (!isSigned) return "invalid token";
  if (typeof claims.exp === "number" && claims.exp * 1000 <= now) return "invalid token";
  if (typeof claims.iat === "number" && claims.iat * 1000 > now) return "token issued in the future";
  return undefined;
}

function isTrusted(leaf: X509Certificate, between: X509Certificate[], ca: X509Certificate): boolean {
  const isSignedBy = (one: X509Certificate, by: X509Certificate) =>
    one.checkIssued(by) && one.verify(by.publicKey);
  if (isSignedBy(leaf, ca)) return true;
  const next = between.find((one) => isSignedBy(leaf, one));
  return next !== undefined && isTrusted(next, between.filter((one) => one !== next), ca);
}

function parsed(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
}
