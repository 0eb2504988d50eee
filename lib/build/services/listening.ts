import { capture } from "../../driver/work/exec.ts";
import type { BuildContext } from "../policy.ts";

/** The state of a listening socket in the kernel's table. */
const LISTEN = "0A";

/**
 * Returns the TCP ports on which something in a container listens, as its kernel says. Throws DockerError if
 * no process can be started there. Empty if its image has no `cat`.
 */
export async function listeningPorts(context: BuildContext, container: string): Promise<Set<number>> {
  const { stdout } = await capture(context, container, {
    command: ["cat", "/proc/net/tcp", "/proc/net/tcp6"],
    user: "0",
  });
  return portsIn(stdout);
}

/** Reads the ports from tables like `/proc/net/tcp`. */
export function portsIn(tables: string): Set<number> {
  const ports = new Set<number>();
  for (const line of tables.split("\n")) {
    const [, local = "", , state] = line.trim().split(/ +/);
    const port = Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16);
    if (state === LISTEN && Number.isInteger(port)) ports.add(port);
  }
  return ports;
}
