import { isIP } from "node:net";

/** Tells by which names a server that listens on `host` is asked for. `machine` is the name of this machine. */
export function namesOf(host: string, machine: string): (hostname: string) => boolean {
  const listened = bare(host);
  const everywhere = listened === "0.0.0.0" || listened === "::";
  if (isLoopback(listened)) return isLoopback;
  if (!everywhere) return (hostname) => bare(hostname) === listened;
  // An address cannot be led astray, a name can.
  const names = ["localhost", machine.toLowerCase()];
  return (hostname) => isIP(bare(hostname)) !== 0 || names.includes(bare(hostname));
}

/** True for a name that leads to the machine itself, from everywhere. */
export const isLoopback = (host: string): boolean => LOOPBACK.includes(bare(host));

const LOOPBACK = ["localhost", "127.0.0.1", "::1"];

const bare = (host: string): string => host.toLowerCase().replace(/^\[|\]$/g, "");
