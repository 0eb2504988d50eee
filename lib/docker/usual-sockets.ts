import { readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { UnavailableError } from "../base/errors.ts";
import type { DockerEndpoint, DockerUser } from "./endpoint.ts";
import { DEFAULT_SOCKET } from "./parse-endpoint.ts";

/** Meaning of a failed connection, and advice; the first fault that occurs gives the advice. */
const FAULTS: Record<string, { meaning: string; hint: string | ((path: string) => string) }> = {
  EACCES: {
    meaning: "permission denied",
    hint: (path) => `${wayIn(path)}, or name a daemon that you may use with --docker or DOCKER_HOST.`,
  },
  ECONNREFUSED: {
    meaning: "nobody listens",
    hint: "Start Docker, or name another daemon with --docker or DOCKER_HOST.",
  },
  ENOENT: {
    meaning: "not there",
    hint: "Install and start Docker Engine, or name a daemon with --docker or DOCKER_HOST.",
  },
};

/** Returns the usual sockets: the system's, a rootless daemon's, Docker Desktop's two. */
export function usualSockets({ environment, home }: DockerUser): string[] {
  const runtime = environment.XDG_RUNTIME_DIR;
  return [
    DEFAULT_SOCKET,
    ...(runtime ? [join(runtime, "docker.sock")] : []),
    ...(home ? ["run", "desktop"].map((name) => join(home, ".docker", name, "docker.sock")) : []),
  ];
}

/** Returns the first socket that accepts a connection. Throws `UnavailableError` that names every socket. */
export async function firstSocket(paths: readonly string[]): Promise<DockerEndpoint> {
  const faults: string[] = [];
  for (const path of paths) {
    const fault = await connectionFault(path);
    if (fault === undefined) return { name: `unix://${path}`, socketPath: path };
    faults.push(fault);
  }
  const tried = paths.map((path, i) => `unix://${path} (${FAULTS[faults[i] ?? ""]?.meaning ?? faults[i]})`);
  const worst = Object.keys(FAULTS).find((code) => faults.includes(code)) ?? "ENOENT";
  const hint = FAULTS[worst]?.hint ?? "";
  throw new UnavailableError(`Cannot find Docker; tried ${tried.join(", ")}`, {
    hint: typeof hint === "string" ? hint : hint(paths[faults.indexOf(worst)] ?? ""),
  });
}

/** Says how to get the right to use a socket. */
function wayIn(path: string): string {
  try {
    const { gid } = statSync(path);
    if (gid === 0) return "Start this as root";
    const lines = readFileSync("/etc/group", "utf8").split("\n").map((line) => line.split(":"));
    const name = lines.find(([, , id]) => id === `${gid}`)?.[0] ?? `with the number ${gid}`;
    return `Add yourself to the group ${name}`;
  } catch {
    // Its folder may not be readable either.
    return "Add yourself to the group docker";
  }
}

/** Returns the system's error code if a socket cannot be connected; undefined if it can. */
function connectionFault(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
