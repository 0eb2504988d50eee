import { isIP } from "node:net";

/**
 * Returns a predicate for the Host header names that a server bound to `host` accepts. `machine` is this
 * machine's name.
 */
export function namesOf(host: string, machine: string): (hostname: string) => boolean {
  const listened = bare(host);
  const everywhere = listened === "0.0.0.0" || listened === "::";
  if (isLoopback(listened)) return isLoopback;
  if (!everywhere) return (hostname) => bare(hostname) === listened;
  // DNS rebinding needs a name, so every IP address is accepted.
  const names = ["localhost", machine.toLowerCase()];
  return (hostname) => isIP(bare(hostname)) !== 0 || names.includes(bare(hostname));
}

/**
 * Returns the URL by which this machine reaches a server that listens at `url`: loopback for one that listens
 * everywhere.
 */
export const urlFromHere = (url: string): string =>
  url.replace(
    /^(https?:\/\/)(?:0\.0\.0\.0|(\[::\]))(?=:|$)/,
    (_, scheme, six) => `${scheme}${six ? "[::1]" : "127.0.0.1"}`,
  );

/** True for a loopback name or address. */
export const isLoopback = (host: string): boolean => LOOPBACK.includes(bare(host));

const LOOPBACK = ["localhost", "127.0.0.1", "::1"];

const bare = (host: string): string => host.toLowerCase().replace(/^\[|\]$/g, "");
