import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { until } from "./until.ts";

/**
 * A Docker daemon with its own store, for one test, which may kill and restart it. Its containers have no
 * network.
 */
export interface PrivateDocker extends AsyncDisposable {
  readonly socketPath: string;
  /** Imports an image with these files, a tar archive. Returns its name. */
  import(files: Uint8Array): string;
  /** Kills it, as `kill -9`; its containers go on. */
  kill(): Promise<void>;
  /** Starts it again; it ends the containers that it finds. Resolves once it answers. */
  start(): Promise<void>;
}

/** Returns why none can be started here; false if one can. */
export function noPrivateDocker(): string | false {
  if (process.getuid?.() !== 0) return "Only root can start a Docker daemon";
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.some((folder) => existsSync(join(folder, "dockerd")))
    ? false
    : "There is no dockerd on PATH";
}

export async function startPrivateDocker(): Promise<PrivateDocker> {
  const folder = await mkdtemp(join(tmpdir(), "private-docker-"));
  const socketPath = join(folder, "docker.sock");
  const docker = (args: string[], input?: Uint8Array) =>
    execFileSync("docker", ["-H", `unix://${socketPath}`, ...args], {
      encoding: "utf8",
      ...(input && { input }),
    });
  let daemon: ChildProcess | undefined;
  const lastResort = () => daemon?.kill("SIGKILL");
  process.once("exit", lastResort);

  const start = async () => {
    // On a busy machine, the first one may give up waiting for its containerd.
    daemon = await startDaemon(folder, socketPath).catch(() => startDaemon(folder, socketPath));
  };
  const isRunning = () => daemon?.exitCode === null && daemon.signalCode === null;
  const end = async (signal: NodeJS.Signals) => {
    if (daemon?.pid === undefined || !isRunning()) return;
    const exited = once(daemon, "exit");
    process.kill(daemon.pid, signal);
    await exited;
  };
  const dispose = async () => {
    // Containers of a failed test would keep the folder busy; only a running daemon can remove them.
    if (!isRunning()) await start();
    const left = docker(["ps", "-aq"]).split("\n").filter((id) => id !== "");
    if (left.length > 0) docker(["rm", "-fv", ...left]);
    await end("SIGTERM");
    unmountBelow(folder);
    process.off("exit", lastResort);
    await rm(folder, { recursive: true, force: true });
  };
  await start();
  return {
    socketPath,
    import(files) {
      docker(["import", "-", "tiny"], files);
      return "tiny";
    },
    async kill() {
      const pidFile = join(folder, "exec/containerd/containerd.pid");
      const containerd = Number(await readFile(pidFile, "utf8"));
      await end("SIGKILL");
      // It dies after its daemon. The next daemon would take the old one, or its zombie, for its own.
      await until(() => !isAlive(containerd), "its containerd has ended");
      await rm(pidFile);
    },
    start,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Unmounts everything below the folder: a killed daemon unmounts nothing. */
function unmountBelow(folder: string): void {
  const points = readFileSync("/proc/self/mounts", "utf8").split("\n").map((line) =>
    line.split(" ")[1] ?? ""
  );
  for (const point of points.reverse()) {
    if (point.startsWith(`${folder}/`)) execFileSync("umount", ["-l", point]);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

async function startDaemon(folder: string, socketPath: string): Promise<ChildProcess> {
  const options = {
    "data-root": join(folder, "data"),
    "exec-root": join(folder, "exec"),
    pidfile: join(folder, "pid"),
    host: `unix://${socketPath}`,
    iptables: "false",
    "ip-forward": "false",
  };
  // Left by a daemon that was killed.
  await rm(options.pidfile, { force: true });
  // It shares `docker0` with the machine's daemon and attaches nothing to it. With `--bridge=none` it would
  // remove it.
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const child = spawn("dockerd", flags, {
    // A containerd that answers late on a busy machine is told to write its stacks there.
    env: { ...process.env, TMPDIR: folder },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const { promise, resolve, reject } = Promise.withResolvers<ChildProcess>();
  const said: string[] = [];
  createInterface(child.stderr).on("line", (line) => {
    said.push(line);
    if (line.includes("API listen on")) resolve(child);
  });
  child.once("error", reject);
  child.once(
    "exit",
    (code) => reject(new Error(`dockerd ended with ${code}: ${said.slice(-3).join(" | ")}`)),
  );
  return await promise;
}
