import { isIP } from "node:net";

/** Tells by which names a server that listens on `host` is asked for. `machine` is the name of this machine. */
export function namesOf(host: string, machine: string): (hostname: string) => boolean {
  const listened = bare(host);
  const loopback = ["localhost", "127.0.0.1", "::1"];
  const everywhere = listened === "0.0.0.0" || listened === "::";
  if (loopback.includes(listened)) return (hostname) => loopback.includes(bare(hostname));
  if (!everywhere) return (hostname) => bare(hostname) === listened;
  // An address cannot be led astray, a name can.
  const names = ["localhost", machine.toLowerCase()];
  return (hostname) => isIP(bare(hostname)) !== 0 || names.includes(bare(hostname));
}

const bare = (host: string): string => host.toLowerCase().replace(/^\[|\]$/g, "");
