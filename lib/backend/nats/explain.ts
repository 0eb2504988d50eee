import { messageOf } from "../../base/errors.ts";
import { probe } from "./probe.ts";
import type { TlsFiles } from "./tls.ts";

const UNKNOWN_NAME = "the host's name cannot be resolved";
const REFUSED = "connection refused";
const SLOW = "the broker answers too late";
/** Reasons by what the probe of an address found. */
const SILENCES = {
  unreached: "the address does not answer",
  silent: "the port is open, but nothing answers there in time",
  cut: "the port is open, but the connection is closed before a broker greets",
};
/**
 * Reasons that may be temporary: the broker, its host or the network has not started yet, or the broker or
 * this machine is overloaded.
 */
export const AWAY: readonly string[] = [UNKNOWN_NAME, REFUSED, SLOW, ...Object.values(SILENCES)];

/** Returns why the connection failed, in our own words if the client's do not help. */
export async function explain(
  cause: unknown,
  addresses: readonly string[],
  tls: TlsFiles | undefined,
): Promise<string> {
  const text = messageOf(cause);
  const facts = `${text} ${errorCode(cause)}`;
  if (/ENOTFOUND|EAI_AGAIN|getaddrinfo|failed to lookup/i.test(facts)) {
    return UNKNOWN_NAME;
  }
  if (isConnectionRefused(cause)) return REFUSED;
  if (isLoginRefused(cause)) {
    return `the broker does not accept the credentials (${text})`;
  }
  if (/does not support 'tls'/.test(text)) return "the broker does not offer TLS";
  return tlsTrouble(text, facts, tls) ?? await greetings(text, addresses, tls);
}

/** True if nothing listens there. */
export const isConnectionRefused = (cause: unknown): boolean =>
  /connection refused|ECONNREFUSED/i.test(`${messageOf(cause)} ${errorCode(cause)}`);

/** True if the broker does not accept the credentials, or wants some. */
export const isLoginRefused = (cause: unknown): boolean =>
  /authorization violation|authentication/i.test(messageOf(cause));

function tlsTrouble(text: string, facts: string, tls: TlsFiles | undefined): string | undefined {
  if (/self.signed|unable.to.(verify|get)|UnknownIssuer|issuer/i.test(facts)) {
    const authorities = tls?.ca === undefined ? "the system's authorities" : `"${tls.ca}"`;
    return `its certificate is signed by an unknown authority, by none of ${authorities} (${text})`;
  }
  if (/expired/i.test(facts)) return `its certificate has expired (${text})`;
  if (/altname|NotValidForName|hostname/i.test(facts)) {
    return `its certificate is for another name (${text})`;
  }
  return undefined;
}

/**
 * Explains a connection that hung or was cut: probes the addresses and describes what answers at the first
 * that does, or else the first silence of an open port.
 */
async function greetings(
  text: string,
  addresses: readonly string[],
  tls: TlsFiles | undefined,
): Promise<string> {
  const isTimeout = /timeout/i.test(text);
  let silence = SILENCES.unreached;
  for (const address of addresses) {
    const greeting = await probe(address, 1000);
    switch (greeting.kind) {
      case "http":
        return "the port speaks HTTP, not NATS";
      case "other":
        return "what answers there is not a NATS server";
      case "nats":
        if (!greeting.wantsCertificate) return isTimeout ? SLOW : `the broker cut the connection (${text})`;
        return tls?.cert === undefined
          ? "the broker requires a TLS client certificate"
          : `the broker does not accept the certificate "${tls.cert}": expired, or of an unknown authority`;
      case "refused":
        return "the port is open, but no NATS server greets there (a server that begins with the TLS handshake does " +
          "not: that takes --nats-tls-first)";
      case "silent":
      case "cut":
        if (silence === SILENCES.unreached) silence = SILENCES[greeting.kind];
        break;
      case "unreached":
    }
  }
  return silence;
}

function errorCode(cause: unknown): string {
  for (let error = cause; error instanceof Error; error = error.cause) {
    if ("code" in error && typeof error.code === "string") return error.code;
  }
  return "";
}
