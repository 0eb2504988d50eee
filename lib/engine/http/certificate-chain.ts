import type { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { isForClients } from "./extended-key-usage.ts";

/** `between` may be in any order and may contain certificates that the chain does not need. */
export interface Chain {
  readonly between: readonly X509Certificate[];
  readonly authorities: readonly X509Certificate[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const LACKS_CLIENTS = "its extended key usage lacks clientAuth";
const NOT_OF_CLIENTS = `An authority of its certificate does not sign for clients: ${LACKS_CLIENTS}`;

/**
 * Returns why `leaf` was not issued by one of `authorities`, or undefined if it was. Every certificate in the
 * chain, the authority's too, must be valid at `now`, allowed for clients, and signed by the next, which must
 * be allowed to sign certificates. The key of a server, or of an authority for servers only, therefore opens
 * nothing. Path length limits are not checked: the holder of an intermediate's key can sign for anybody
 * anyway.
 */
export function whyNotIssued(
  leaf: X509Certificate,
  { between, authorities, now }: Chain,
): string | undefined {
  if (!isForClients(leaf)) return `Its certificate is not for clients: ${LACKS_CLIENTS}`;
  for (let one = leaf, left = between;;) {
    if (!isValid(one, now)) return "A certificate that it carries is not valid at this time";
    if (one !== leaf && !isForClients(one)) return NOT_OF_CLIENTS;
    const signers = authorities.filter((by) => isSignedBy(one, by));
    const valid = signers.filter((by) => isValid(by, now));
    if (valid.some(isForClients)) return undefined;
    if (valid.length > 0) return NOT_OF_CLIENTS;
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
