import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

/** A real nats-server with JetStream on loopback, its store in a temporary folder. Dispose stops it and removes the folder. */
export interface NatsServer extends AsyncDisposable {
  /** `nats://127.0.0.1:<port>`; the same after a restart. */
  readonly url: string;
  readonly port: number;
  /** Starts it again, on the same port and the same store. Resolves when it takes connections. */
  start(): Promise<void>;
  /** Ends it in an orderly way. */
  stop(): Promise<void>;
  /** Ends it as `kill -9` does. */
  kill(): Promise<void>;
}

export interface NatsServerOptions {
  /** Lines for the end of its configuration file: users, TLS, a cluster … */
  config?: string;
  /** False for a server without JetStream. Default: true. */
  jetstream?: boolean;
  /** Must be unique in a cluster. */
  name?: string;
}

const PROGRAM = process.env.NATS_SERVER ?? resolve(import.meta.dirname ?? "", "../../.tools/nats-server");

export async function startNats(options: NatsServerOptions = {}): Promise<NatsServer> {
  const folder = await mkdtemp(join(tmpdir(), "conveyor-nats-"));
  const port = await freePort();
  const config = join(folder, "server.conf");
  await writeFile(config, configuration(folder, port, options));
  let child: ChildProcess | undefined;
  const lastResort = () => child?.kill("SIGKILL");
  process.once("exit", lastResort);

  const start = async () => {
    child = spawn(PROGRAM, ["-c", config], { stdio: ["ignore", "ignore", "pipe"] });
    await ready(child);
  };
  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
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
    start,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    [Symbol.asyncDispose]: async () => {
      await end("SIGKILL");
      process.off("exit", lastResort);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("No port of loopback is free");
  return address.port;
}

function configuration(folder: string, port: number, options: NatsServerOptions): string {
  const { config = "", jetstream = true, name } = options;
  return [
    name ? `server_name: ${name}` : "",
    `host: "127.0.0.1"`,
    `port: ${port}`,
    jetstream ? `jetstream { store_dir: ${JSON.stringify(join(folder, "store"))} }` : "",
    config,
  ].join("\n");
}

/** Resolves at the server's line that says so; rejects with what it said where it ends before. */
async function ready(child: ChildProcess): Promise<void> {
  if (!child.stderr) throw new Error("nats-server has no stderr");
  const said: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once("error", (cause) => reject(new Error(`Cannot start "${PROGRAM}"`, { cause })));
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
