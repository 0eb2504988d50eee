import { Buffer } from "node:buffer";
import { StepFailure } from "../../base/errors.ts";
import { formatSize } from "../../base/units.ts";
import type { ContainerInfo, ExecSpec } from "../../docker/docker.ts";
import type { Context } from "../driver.ts";
import { buildUser, findContainer } from "../host/labels.ts";
import { capture, type Captured, exec } from "../work/exec.ts";
import { fileIn } from "./file-in.ts";

/** The folder in a run's container where its repository is checked out. */
export const WORKSPACE = "/workspace";

const MOST_BYTES = 16 * 1024 ** 2;

/** A shell command line (run by `sh -ec`), or a program and its arguments. */
export type Command = string | readonly string[];
/** Defaults: `user` is the build's user, `workdir` the workspace. */
export type InContainer = Omit<ExecSpec, "command">;

/**
 * The run's container, made by `container-start`. It is looked up on first use. If it is missing, every call
 * but `isThere` throws StepFailure `container-lost`, which fails the step.
 */
export interface RunContainer {
  /** The folder with the checkout: `/workspace`. */
  readonly workspace: string;
  /** The user of the build's commands: a name or number of the image; `0` is root. */
  user(): Promise<string>;
  /**
   * Returns false if the run's container is not running: an `always` step may follow a step that could not
   * create it.
   */
  isThere(): Promise<boolean>;
  /**
   * Runs a command with its output in the log and returns its exit code. When the step is told to stop, every
   * process in the container is ended.
   */
  exec(command: Command, options?: InContainer): Promise<number>;
  /**
   * Runs a short command and returns its output, which is not logged. Keeps at most 256 KiB of each stream;
   * `isCut` tells if output was dropped.
   */
  capture(command: Command, options?: InContainer): Promise<Captured>;
  /**
   * Returns a file's bytes, for `putArtifact`; undefined if there is none. Relative paths start in the
   * workspace; links are not followed.
   */
  copyOut(path: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /**
   * Returns a file's text; undefined if there is none. Throws StepFailure `step-failed` if it is larger than
   * `maxBytes` (default 16 MiB).
   */
  readText(path: string, options?: { maxBytes?: number }): Promise<string | undefined>;
  /**
   * Writes a file as the build's user, with that user's permissions. Throws StepFailure `step-failed` on
   * failure.
   */
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
