import { Buffer } from "node:buffer";
import { pack } from "tar-stream";
import type { ContainerInfo, Docker, Exec, ExecSpec, OutputChunk } from "../../docker/docker.ts";
import { containerName, LABELS } from "../host/labels.ts";
import { WORKSPACE } from "../author/run-container.ts";

/** A command that the driver has run in the container. */
export interface RanCommand {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly user: string;
  readonly workdir: string;
  /** All of its standard input. */
  readonly stdin: string;
}

/** What a command does in a scripted container (default: exit code 0, no output). */
export interface ScriptedAnswer {
  readonly exitCode?: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

/** Scripts a container: its files and its answers to commands. */
export interface ContainerScript {
  /** Answers a command (default: exit code 0, no output). The driver's call throws what this throws. */
  readonly exec?: (ran: RanCommand) => ScriptedAnswer | Promise<ScriptedAnswer>;
  /** Texts or bytes by path; relative paths are in the workspace. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** The user of the build's commands (default `0`). */
  readonly user?: string;
}

/**
 * Returns a Docker with one scripted container, the run's. Calls that helpers for drivers do not need throw.
 */
export function scriptedDocker(
  script: ContainerScript,
  { owner, run }: { owner: string; run: string },
): Docker {
  const container: ContainerInfo = {
    id: "scripted",
    name: containerName(run),
    labels: { [LABELS.owner]: owner, [LABELS.run]: run, [LABELS.user]: script.user ?? "0" },
    state: "running",
    image: "scripted",
    user: script.user ?? "0",
    env: {},
    createdAt: 0,
    volumes: {},
  };
  const files = new Map(
    Object.entries(script.files ?? {}).map((
      [path, content],
    ) => [path.startsWith("/") ? path : `${WORKSPACE}/${path}`, Buffer.from(content)]),
  );
  const docker: Partial<Docker> = {
    endpoint: "scripted",
    inspect: (name) => Promise.resolve([container.id, container.name].includes(name) ? container : undefined),
    // No processes: every scripted command has ended.
    processes: () => Promise.resolve([]),
    exec: async (_, spec) => await execScripted(script, spec),
    copyOut: (_, path) => Promise.resolve(archiveOf(path, files.get(path))),
    exists: (_, path) => Promise.resolve(files.has(path)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return elseThrowing(docker, "is not played by a scripted container");
}

/** Returns a Docker without a container for the run. */
export const withoutContainers = (): Docker =>
  elseThrowing({
    endpoint: "none",
    inspect: () => Promise.resolve(undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }, 'needs a container: give the test one, as "container"');

function elseThrowing(docker: Partial<Docker>, why: string): Docker {
  return new Proxy(docker, {
    get(target, name) {
      const known: unknown = Reflect.get(target, name);
      // `await` checks whether the object has `then`.
      if (known !== undefined || name === "then" || typeof name === "symbol") return known;
      return () => {
        throw new TypeError(`Docker.${name} ${why}`);
      };
    },
  }) as Docker;
}

async function execScripted({ exec = () => ({}) }: ContainerScript, spec: ExecSpec): Promise<Exec> {
  const stdin: Uint8Array[] = [];
  for await (const chunk of spec.stdin ?? []) stdin.push(chunk);
  const { exitCode = 0, stdout = "", stderr = "" } = await exec({
    command: spec.command,
    env: spec.env ?? {},
    user: spec.user ?? "0",
    workdir: spec.workdir ?? WORKSPACE,
    stdin: Buffer.concat(stdin).toString("utf8"),
  });
  return {
    id: "scripted",
    output: (async function* (): AsyncGenerator<OutputChunk> {
      if (stdout !== "") yield { stream: "stdout", data: Buffer.from(stdout) };
      if (stderr !== "") yield { stream: "stderr", data: Buffer.from(stderr) };
    })(),
    exitCode: () => Promise.resolve(exitCode),
    detach: () => {},
  };
}

function archiveOf(path: string, content: Buffer | undefined): AsyncIterable<Uint8Array> | undefined {
  if (!content) return undefined;
  const archive = pack();
  archive.entry({ name: path.split("/").at(-1) ?? path }, content);
  archive.finalize();
  return archive as AsyncIterable<Uint8Array>;
}
