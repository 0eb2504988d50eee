import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { JetStreamApiCodes, JetStreamApiError, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { natsProgram } from "./nats-program.ts";
import { comes } from "./until.ts";

/**
 * A real nats-server with JetStream on loopback, its store in a temporary folder. Dispose stops it and
 * removes the folder.
 */
export interface NatsServer extends AsyncDisposable {
  /** `nats://127.0.0.1:<port>`; the same after a restart. */
  readonly url: string;
  readonly port: number;
  /** The folder of its streams. */
  readonly store: string;
  /**
   * Starts it again on the same port and store, with other `config` lines if given. Resolves once it takes
   * connections.
   */
  start(config?: string): Promise<void>;
  /** Stops it in an orderly way. */
  stop(): Promise<void>;
  /** Kills it, as `kill -9`. */
  kill(): Promise<void>;
  /** Freezes it, with its connections open, until `thaw`. */
  freeze(): void;
  thaw(): void;
}

export interface NatsServerOptions {
  /** Lines for the end of its configuration file: users, TLS, a cluster … */
  config?: string;
  /** False for a server without JetStream. Default: true. */
  jetstream?: boolean;
  /** Its limit of storage, as `max_file` in its configuration: `40M`. */
  maxFile?: string;
  /** Default: a free one. */
  port?: number;
  /** Must be unique in a cluster. */
  name?: string;
}

export async function startNats(options: NatsServerOptions = {}): Promise<NatsServer> {
  const folder = await mkdtemp(join(tmpdir(), "conveyor-nats-"));
  const port = options.port ?? await freePort();
  const file = join(folder, "server.conf");
  let child: ChildProcess | undefined;
  const lastResort = () => {
    child?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", lastResort);

  const start = async (config = options.config) => {
    await writeFile(file, configuration(folder, port, { ...options, config: config ?? "" }));
    child = spawn(natsProgram(), ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
    await ready(child);
  };
  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    // A program that could not be started has no id and no exit event.
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  };

  try {
    await start();
  } catch (error) {
    await end("SIGKILL");
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    store: join(folder, "store"),
    start,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    // On Deno, the child's own `kill` sends only one signal.
    freeze: () => void (child?.pid && process.kill(child.pid, "SIGSTOP")),
    thaw: () => void (child?.pid && process.kill(child.pid, "SIGCONT")),
    [Symbol.asyncDispose]: async () => {
      await end("SIGKILL");
      process.off("exit", lastResort);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Servers with JetStream that know each other. */
export interface NatsCluster extends AsyncDisposable {
  readonly nodes: readonly NatsServer[];
}

/**
 * Starts a cluster with JetStream on each node. Resolves once it takes streams with a copy on every node. One
 * in twenty clusters of nats-server 2.10.25 never finds suitable peers: such a cluster is replaced, up to
 * twice.
 */
export async function startNatsCluster(size: number): Promise<NatsCluster> {
  for (let tries = 1; tries <= 3; tries++) {
    const cluster = await startNodes(size);
    if (await takesStreams(cluster)) return cluster;
    await cluster[Symbol.asyncDispose]();
  }
  throw new Error("Three clusters were started, and none takes streams that have a copy on every node");
}

async function startNodes(size: number): Promise<NatsCluster> {
  const ports = await Promise.all(Array.from({ length: size }, () => freePort()));
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(", ");
  // If another cluster has got one of these ports meanwhile, its name tells it from ours.
  const name = `test-${ports.join("-")}`;
  const config = (port: number) =>
    `cluster { name: ${name}, listen: "127.0.0.1:${port}", routes: [${routes}] }`;
  const nodes = await Promise.all(
    ports.map((port, i) => startNats({ name: `node-${i}`, config: config(port) })),
  );
  return {
    nodes,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
    },
  };
}

/** Returns whether the cluster soon takes streams, waiting several times as long as it usually needs. */
async function takesStreams({ nodes }: NatsCluster): Promise<boolean> {
  const connection = await connect({ servers: nodes.map(({ url }) => url) });
  try {
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: 500 });
    const stream = { name: "probe", subjects: ["probe"], num_replicas: nodes.length };
    let isMade = false;
    return await comes(async () => {
      try {
        if (!isMade) await manager.streams.add(stream);
        isMade = true;
        await manager.streams.delete(stream.name);
        return true;
      } catch (error) {
        // Refused or not answered until a leader knows all nodes. If the stream exists, only the answer was
        // lost.
        return isMade && isGone(error);
      }
    }, 10_000);
  } finally {
    await connection.close();
  }
}

const isGone = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;

/** Below the ports of outgoing connections, which may take a port while its server is restarted. */
const PORTS = { first: 10_000, end: 32_000 };
const given = new Set<number>();

/** Returns a free loopback port that this process has not been given before. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 1000; tries++) {
    const port = randomInt(PORTS.first, PORTS.end);
    if (given.has(port) || !await isFree(port)) continue;
    given.add(port);
    return port;
  }
  throw new Error("No port of loopback is free");
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once("error", () => resolve(false));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  return await promise;
}

function configuration(folder: string, port: number, options: NatsServerOptions): string {
  const { config = "", jetstream = true, maxFile, name } = options;
  const limit = maxFile === undefined ? "" : `max_file: ${maxFile}`;
  return [
    name ? `server_name: ${name}` : "",
    `host: "127.0.0.1"`,
    `port: ${port}`,
    // Not in the block of JetStream: `config` may have one too.
    `store_dir: ${JSON.stringify(join(folder, "store"))}`,
    jetstream ? `jetstream { ${limit} }` : "",
    config,
  ].join("\n");
}

/** Resolves once the server prints that it is ready; rejects with its output if it ends first. */
async function ready(child: ChildProcess): Promise<void> {
  if (!child.stderr) throw new Error("nats-server has no stderr");
  const said: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once("error", (cause) => reject(new Error(`Cannot start "${natsProgram()}"`, { cause })));
  child.once(
    "exit",
    (code) => reject(new Error(`nats-server ended with ${code}: ${said.slice(-5).join(" | ")}`)),
  );
  createInterface(child.stderr).on("line", (line) => {
    said.push(line);
    if (said.length > 200) said.shift();
    if (line.includes("Server is ready")) resolve();
  });
  await promise;
}
