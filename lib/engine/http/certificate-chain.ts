import type { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";

/** `between` may be in any order and may contain certificates that the chain does not need. */
export interface Chain {
  readonly between: readonly X509Certificate[];
  readonly authorities: readonly X509Certificate[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Accepted extended key usages (RFC 5280 object identifiers); one is enough. A Conveyor server requires
 * server authentication of a certificate, the broker client authentication.
 */
const USAGES = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"];

/**
 * Returns why `leaf` was not issued by one of `authorities`, or undefined if it was. Every certificate in the
 * chain must be valid at `now` and signed by the next, which must be allowed to sign certificates. Path
 * length limits are not checked: the holder of an intermediate's key can sign for anybody anyway. Only Bun
 * reports the key usage; on Deno it is not checked.
 */
export function whyNotIssued(
  leaf: X509Certificate,
  { between, authorities, now }: Chain,
): string | undefined {
  if (leaf.keyUsage && !leaf.keyUsage.some((usage) => USAGES.includes(usage))) {
    return "Its certificate may be used for neither a client nor a server";
  }
  for (let one = leaf, left = between;;) {
    if (!isValid(one, now)) return "A certificate that it carries is not valid at this time";
    const signers = authorities.filter((by) => isSignedBy(one, by));
    if (signers.some((by) => isValid(by, now))) return undefined;
    if (signers.length > 0) return "The authority of its certificate is not valid at this time";
    const next = left.find((by) => isSignedBy(one, by));
    if (!next) return "Its certificate is of no authority of ours";
    left = left.filter((other) => other !== next);
    one = next;
  }
}

/**
 * Returns those of `authorities` that are public. Anybody can get a certificate from them: it proves a name,
 * not a right to use the API.
 */
export function publicAuthorities(authorities: readonly X509Certificate[]): X509Certificate[] {
  const known = new Set(rootCertificates.map((pem) => pem.replace(/-----[A-Z ]+-----|\s/g, "")));
  return authorities.filter(({ raw }) => known.has(raw.toString("base64")));
}

/**
 * Returns true if `by` signed `one`. A self-signed certificate that is not a CA counts as the signer of
 * itself only.
 */
function isSignedBy(one: X509Certificate, by: X509Certificate): boolean {
  return (by.ca || one.fingerprint256 === by.fingerprint256) && one.checkIssued(by) &&
    one.verify(by.publicKey);
}

function isValid({ validFrom, validTo }: X509Certificate, now: number): boolean {
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo);
}
