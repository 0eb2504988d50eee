import { delay } from "../../base/signals.ts";
import type { Exec, ExecSpec, OutputChunk } from "../../docker/docker.ts";
import { BoundedText } from "./bounded-text.ts";
import type { Context } from "../driver.ts";
import { endProcesses } from "./end-processes.ts";

/**
 * If a process has exited but another one holds its output open, reading stops after this much silence,
 * milliseconds.
 */
const HELD_OPEN_MS = 500;
/** Between checks whether a process with open output has exited, milliseconds: the first and the longest. */
const FIRST_LOOK_MS = 200;
const LAST_LOOK_MS = 1000;
/** A daemon reports the exit code within this time after the end of the output, milliseconds. */
const OUTPUT_AHEAD_MS = 1000;
const CAPTURED_BYTES = 256 * 1024;

export type ExecContext = Pick<Context, "docker" | "log" | "signal" | "settings" | "cleanup">;

export interface ExecOptions extends ExecSpec {
  /** Takes a chunk instead of the log if it returns true. The process waits until it has. */
  readonly intercept?: (chunk: OutputChunk) => boolean | Promise<boolean>;
}

/**
 * Runs a command in a container with its output in the step's log, and returns its exit code. Background
 * processes that it leaves go on. If one of them holds the output open, reading stops and a log line says so.
 *
 * If the step is told to stop, every process in the container is ended (TERM, grace period, KILL) before this
 * throws `signal.reason`. Throws `Retryable` if the daemon is unreachable, `DockerError` if it cannot start
 * the command.
 */
export async function exec(context: ExecContext, container: string, options: ExecOptions): Promise<number> {
  const { docker, log, signal } = context;
  signal.throwIfAborted();
  const { intercept, ...spec } = options;
  const end = () =>
    context.cleanup((signal) =>
      endProcesses(docker, container, { graceMs: context.settings.graceMs, signal })
    );
  const process = await docker.exec(container, spec, { signal }).catch(async (error) => {
    // If the step was told to stop during the start, the command may have started.
    if (signal.aborted) await end();
    throw error;
  });
  const watch = new AbortController();
  const state = { readAt: performance.now(), waiting: true };
  const reading = read(process, state, async (chunk) => {
    const taken = intercept?.(chunk) ?? false;
    if (taken === false || !(await taken)) await log.write(chunk.stream, chunk.data);
  });
  reading.catch(() => {});
  const letGo = letGoOfHeldOutput(process, state, watch.signal);
  let ending: Promise<unknown> | undefined;
  const stop = () => {
    ending = end().finally(() => process.detach());
    ending.catch(() => {});
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    await reading;
    await ending;
    await log.endLines();
    if (letGo.held()) {
      await log.line("A process that was left behind keeps the output open; no longer reading it");
    }
    signal.throwIfAborted();
    return await exitCode(process, context);
  } finally {
    watch.abort();
    signal.removeEventListener("abort", stop);
    process.detach();
  }
}

/** The output and exit code of a command. */
export interface Captured {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether output was dropped. */
  readonly isCut: boolean;
}

/** Runs a short command and returns its output, which is not logged. Keeps at most 256 KiB of each stream. */
export async function capture(
  context: ExecContext,
  container: string,
  spec: ExecSpec,
): Promise<Captured> {
  const said = { stdout: new BoundedText(CAPTURED_BYTES), stderr: new BoundedText(CAPTURED_BYTES) };
  const code = await exec(context, container, {
    ...spec,
    intercept: ({ stream, data }) => {
      said[stream].add(data);
      return true;
    },
  });
  const { stdout, stderr } = said;
  return {
    exitCode: code,
    stdout: stdout.text(),
    stderr: stderr.text(),
    isCut: stdout.isCut || stderr.isCut,
  };
}

async function read(
  process: Exec,
  state: { readAt: number; waiting: boolean },
  take: (chunk: OutputChunk) => Promise<void>,
): Promise<void> {
  for await (const chunk of process.output) {
    state.waiting = false;
    await take(chunk);
    state.waiting = true;
    state.readAt = performance.now();
  }
}

/**
 * Checks at growing intervals whether the process has exited although its output is still open, because a
 * background process holds it. Stops reading after a silence that we did not cause.
 */
function letGoOfHeldOutput(
  process: Exec,
  state: { readAt: number; waiting: boolean },
  signal: AbortSignal,
): { held(): boolean } {
  let held = false;
  const watching = (async () => {
    for (let pause = FIRST_LOOK_MS;; pause = Math.min(pause * 1.5, LAST_LOOK_MS)) {
      await delay(pause, { signal });
      const silent = state.waiting && performance.now() - state.readAt >= HELD_OPEN_MS;
      if (!silent || (await process.exitCode()) === undefined) continue;
      // Its last output may have arrived during the request.
      await delay(HELD_OPEN_MS, { signal });
      if (!state.waiting || performance.now() - state.readAt < HELD_OPEN_MS) continue;
      held = true;
      process.detach();
      return;
    }
  })();
  watching.catch(() => {});
  return { held: () => held };
}

/**
 * Waits for the exit code, which the daemon knows a moment after it has closed the output. If that takes
 * longer, the connection was cut, and a log line says so.
 */
async function exitCode(process: Exec, { log, signal }: ExecContext): Promise<number> {
  let waitedMs = 0;
  for (let pause = 1;; pause = Math.min(pause * 2, 100)) {
    const code = await process.exitCode();
    if (code !== undefined) return code;
    await delay(pause, { signal });
    const isLong = waitedMs < OUTPUT_AHEAD_MS && waitedMs + pause >= OUTPUT_AHEAD_MS;
    if (isLong) await log.line("Docker dropped the rest of the output; waiting for the process to exit");
    waitedMs += pause;
  }
}
