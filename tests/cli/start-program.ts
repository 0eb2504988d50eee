import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { signalChild } from "../support/signal-child.ts";
import { tellLate, within } from "../support/within.ts";

/** This project's folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Both runtimes keep caches at home, which is why it is not made anew each time. */
const home = join(root, ".tools/test-home");
/**
 * Where those caches are, for a program with another home: with none it would compile its source at each
 * start.
 */
export const CACHES = join(home, ".cache");

/** The runtime that this test runs on. */
export const runtime = "bun" in process.versions ? "bun" : "deno";

export interface Ended {
  /**
   * As a shell tells it: 128 and more for a signal, whether it ended the process or the process exited with
   * that.
   */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program. One that still runs at the end of its scope is told to end, and is killed if it does not. */
export interface Started extends AsyncDisposable {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** What it has said so far, stdout first. */
  output(): string;
  /** Resolves when its stdout and stderr together contain the text; rejects when it ends before that. */
  said(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Closes our end of its stdout. */
  closeStdout(): void;
}

export interface StartOptions {
  readonly env?: Record<string, string | undefined>;
  readonly cwd?: string;
}

/**
 * Starts a program with an environment of its own: PATH, TMPDIR, a home without anybody's settings, and what
 * is given.
 */
export function startProgram(path: string, args: readonly string[], options: StartOptions = {}): Started {
  const { env = {}, cwd = tmpdir() } = options;
  const child = spawn(path, [...args], {
    cwd,
    env: { PATH: process.env.PATH, TMPDIR: tmpdir(), HOME: home, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  const waiting = new Set<() => void>();
  const hear = () => waiting.forEach((check) => check());
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
    hear();
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
    hear();
  });
  let hasEnded = false;
  const late = tellLate(() =>
    `Still running: ${[path, ...args].join(" ")}\nThe end of what it has said:\n${
      `${stdout}${stderr}`.slice(-2000)
    }`
  );
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", (error) => {
      late[Symbol.dispose]();
      hasEnded = true;
      reject(error);
    });
    child.once("close", (code, signal) => {
      late[Symbol.dispose]();
      hasEnded = true;
      resolve({ code: code ?? 128 + constants.signals[signal ?? "SIGKILL"], stdout, stderr });
    });
  });
  return {
    pid: child.pid ?? 0,
    ended,
    output: () => `${stdout}${stderr}`,
    async said(text) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const check = () => {
        if (`${stdout}${stderr}`.includes(text)) resolve();
      };
      waiting.add(check);
      check();
      ended.then(() => reject(new Error(`It ended without saying "${text}":\n${stdout}${stderr}`)), reject);
      try {
        await within(promise, () => `"${text}", of what it has said:\n${stdout}${stderr}`);
      } finally {
        waiting.delete(check);
      }
    },
    kill: (signal) => signalChild(child, signal),
    closeStdout: () => child.stdout.destroy(),
    async [Symbol.asyncDispose]() {
      if (hasEnded) return;
      signalChild(child, "SIGTERM");
      await within(ended, "its end").catch(async () => {
        signalChild(child, "SIGKILL");
        await within(ended, "its end by SIGKILL");
      });
    },
  };
}

/** Runs `bin/flutter-ci` on this test's runtime, to its end. */
export function flutterCi(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return startFlutterCi(args, options).ended;
}

export function startFlutterCi(
  args: readonly string[],
  { env = {}, ...options }: StartOptions = {},
): Started {
  return startProgram(join(root, "bin/flutter-ci"), args, {
    ...options,
    env: { CONVEYOR_RUNTIME: runtime, ...env },
  });
}

/** An empty folder that is gone afterwards. */
export async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "conveyor-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
