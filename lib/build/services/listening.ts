import { eachText } from "../../driver/work/each-text.ts";
import type { BuildContext } from "../policy.ts";

/** The state of a listening socket in the kernel's table. */
const LISTEN = "0A";

/**
 * Returns the TCP ports on which something in a container listens, as its kernel says. Throws DockerError if
 * no process can be started there. Empty if its image has no `cat`.
 */
export async function listeningPorts(context: BuildContext, container: string): Promise<Set<number>> {
  const command = ["cat", "/proc/net/tcp", "/proc/net/tcp6"];
  const ports = new Set<number>();
  await eachText(context, container, { command, user: "0" }, {
    end: "\n",
    take: (line) => {
      const port = listeningPort(line);
      if (port !== undefined) ports.add(port);
    },
  });
  return ports;
}

/** Reads a port from a line of a table like `/proc/net/tcp`; undefined if nothing listens there. */
export function listeningPort(line: string): number | undefined {
  const [, local = "", , state] = line.trim().split(/ +/);
  const port = Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16);
  return state === LISTEN && Number.isInteger(port) ? port : undefined;
}
