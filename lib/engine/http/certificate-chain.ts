import type { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";

/** The chain may be given in any order, and with more than it takes. */
export interface Chain {
  readonly between: readonly X509Certificate[];
  readonly authorities: readonly X509Certificate[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * What a Conveyor server asks of a certificate is that it may stand for a server; the broker, that it may stand for a client.
 * One of both will do here. Object identifiers of RFC 5280.
 */
const USAGES = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"];

/**
 * Why a certificate is not one of these authorities'; undefined where it is. Every certificate on the way is valid now and
 * signed by the next, which may sign certificates. How long a chain an authority allows is not looked at: who has the key of
 * one in it could sign for anybody without it. What a certificate may be used for only Bun tells; on Deno that is not looked at.
 */
export function isIssued(leaf: X509Certificate, { between, authorities, now }: Chain): string | undefined {
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

/** Of these, the authorities that anybody gets a certificate of: they prove a name to the world, not a right to use us. */
export function publicAuthorities(authorities: readonly X509Certificate[]): X509Certificate[] {
  const known = new Set(rootCertificates.map((pem) => pem.replace(/-----[A-Z ]+-----|\s/g, "")));
  return authorities.filter(({ raw }) => known.has(raw.toString("base64")));
}

/** A certificate that is an authority's own, and no authority, stands for itself. */
function isSignedBy(one: X509Certificate, by: X509Certificate): boolean {
  return (by.ca || one.fingerprint256 === by.fingerprint256) && one.checkIssued(by) &&
    one.verify(by.publicKey);
}

function isValid({ validFrom, validTo }: X509Certificate, now: number): boolean {
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo);
}
