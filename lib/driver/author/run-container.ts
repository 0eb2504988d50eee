import { Buffer } from "node:buffer";
import { StepFailure } from "../../base/errors.ts";
import { formatSize } from "../../base/units.ts";
import type { ContainerInfo, ExecSpec } from "../../docker/docker.ts";
import type { Context } from "../driver.ts";
import { buildUser, findContainer } from "../host/labels.ts";
import { capture, type Captured, exec } from "../work/exec.ts";
import { fileIn } from "./file-in.ts";

/** Where a run's repository is checked out, in its container. */
export const WORKSPACE = "/workspace";

const MOST_BYTES = 16 * 1024 ** 2;

/** A shell line (run by `sh -ec`), or a program and its arguments. */
export type Command = string | readonly string[];
/** `user` is the build's and `workdir` the workspace where nothing else is said. */
export type InContainer = Omit<ExecSpec, "command">;

/**
 * The container of the run, which `container-start` has made. It is looked for when it is first needed; where it is not there, every call
 * throws StepFailure `container-lost`, which ends the step.
 */
export interface RunContainer {
  /** The folder with the checkout: `/workspace`. */
  readonly workspace: string;
  /** Who the build's commands run as: a name or number of the image; `0` is root. */
  user(): Promise<string>;
  /** False where the run has no container (any more): a step that runs always may come after one that could not make it. */
  isThere(): Promise<boolean>;
  /** Runs a command with its output in the log and answers its exit code. Everything it has started ends when the step is told to stop. */
  exec(command: Command, options?: InContainer): Promise<number>;
  /**
   * Runs a short command and answers what it says, which is not logged. Of each stream what is over 256 KiB is dropped, and `isCut`
   * says so.
   */
  capture(command: Command, options?: InContainer): Promise<Captured>;
  /** A file's bytes, for `putArtifact`; undefined where there is none. Relative paths start in the workspace; links are not followed. */
  copyOut(path: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** A file's text; undefined where there is none. One of more than `maxBytes` (default 16 MiB) throws StepFailure `step-failed`. */
  readText(path: string, options?: { maxBytes?: number }): Promise<string | undefined>;
  /** Writes a file as the build's user, with the rights that user has. Throws StepFailure `step-failed` where that cannot be done. */
  copyIn(path: string, content: string | Uint8Array | AsyncIterable<Uint8Array>): Promise<void>;
}

type Needs = Pick<Context, "docker" | "run" | "settings" | "signal" | "log" | "cleanup">;

export function runContainer(context: Needs): RunContainer {
  const { docker, run, settings: { owner }, signal } = context;
  const find = () => findContainer(docker, { owner, run, signal });
  let found: Promise<ContainerInfo> | undefined;
  const running = () => found ??= required(find());
  const spec = async (command: Command, options: InContainer): Promise<ExecSpec> => ({
    ...buildUser(await running()),
    workdir: WORKSPACE,
    ...options,
    command: typeof command === "string" ? ["/bin/sh", "-ec", command] : command,
  });
  const copyOut = async (path: string) =>
    await fileIn(docker, (await running()).id, absolute(path), { signal });
  return {
    workspace: WORKSPACE,
    user: async () => buildUser(await running()).user,
    isThere: async () => (await find())?.state === "running",
    exec: async (command, options = {}) =>
      await exec(context, (await running()).id, await spec(command, options)),
    capture: async (command, options = {}) =>
      await capture(context, (await running()).id, await spec(command, options)),
    copyOut,
    async readText(path, { maxBytes = MOST_BYTES } = {}) {
      const bytes = await copyOut(path);
      if (!bytes) return undefined;
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of bytes) {
        size += chunk.length;
        if (size > maxBytes) {
          throw new StepFailure(`"${path}" is too large: expected ${formatSize(maxBytes)} at most`, {
            reason: "step-failed",
          });
        }
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString("utf8");
    },
    async copyIn(path, content) {
      const write = ["/bin/sh", "-c", 'mkdir -p "${0%/*}" && cat > "$0"', absolute(path)];
      const { exitCode, stderr } = await capture(
        context,
        (await running()).id,
        await spec(write, { stdin: bytesOf(content) }),
      );
      if (exitCode === 0) return;
      throw new StepFailure(`Cannot write "${path}" in the container: ${stderr.trim()}`, {
        reason: "step-failed",
      });
    },
  };
}

async function required(finding: Promise<ContainerInfo | undefined>): Promise<ContainerInfo> {
  const container = await finding;
  if (container?.state === "running") return container;
  const why = container ? `does not run: it is ${container.state}` : "is not here";
  throw new StepFailure(`The run's container ${why}`, { reason: "container-lost" });
}

const absolute = (path: string): string => path.startsWith("/") ? path : `${WORKSPACE}/${path}`;

async function* bytesOf(
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (typeof content === "string") yield Buffer.from(content);
  else if (content instanceof Uint8Array) yield content;
  else yield* content;
}
