import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A program of this folder in a process of its own, on the runtime that runs the test. Dispose kills it. */
export interface Child extends AsyncDisposable {
  /** The next line that it prints. Throws, with what it said, once it has ended. */
  line(): Promise<string>;
  /** Writes a line for it to read. */
  tell(line: string): void;
  /** As `kill -9` does; resolves when it is gone. */
  kill(): Promise<void>;
}

/** `before`: a command that starts the program, with its own arguments. */
export function startChild(program: string, args: readonly string[], before: readonly string[] = []): Child {
  const file = join(import.meta.dirname ?? "", program);
  const runtime = process.versions["deno"] === undefined
    ? ["--no-env-file", "--no-install"]
    : ["run", "-A", "--no-check", "--cached-only"];
  const [command = "", ...rest] = [...before, process.execPath, ...runtime, file, ...args];
  const child = spawn(command, rest, { stdio: ["pipe", "pipe", "pipe"] });
  const said: string[] = [];
  child.stderr.on("data", (data) => said.push(String(data)));
  const gone = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const kill = async () => {
    if (isRunning(child)) child.kill("SIGKILL");
    await gone;
  };
  return {
    line: async () => {
      const { done, value } = await lines.next();
      if (!done) return value;
      await gone;
      throw new Error(`${program} has ended (${child.signalCode ?? child.exitCode}): ${said.join("")}`);
    },
    tell: (line) => void child.stdin.write(`${line}\n`),
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}
