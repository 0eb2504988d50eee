import assert from "node:assert/strict";
import { test } from "node:test";
import { type Docker, DockerError, type ExecSpec, type OutputChunk } from "../../lib/docker/docker.ts";
import { BoundedText, EndOfText } from "../../lib/driver/work/bounded-text.ts";
import { endProcesses } from "../../lib/driver/work/end-processes.ts";
import { capture, exec, type ExecContext } from "../../lib/driver/work/exec.ts";
import { turns, until } from "../support/until.ts";

/** What tells every process to end, the stopped ones too. */
const END = "/bin/sh -c kill -TERM -1; kill -CONT -1";

const bytes = (text: string) => new TextEncoder().encode(text);

interface World {
  /** Processes in the container, init and the idle one included, at each look; the last number stays. */
  readonly processes?: number[];
  readonly exec?: (spec: ExecSpec) => Promise<void>;
  /** The output of a command; it ends when the stream ends. */
  readonly output?: () => AsyncIterable<OutputChunk>;
  readonly exitCode?: () => number | undefined;
}

/** A container in which one command runs, and a step with a log in memory. */
function world({ processes = [2], exec, output, exitCode = () => 0 }: World = {}) {
  const did: string[] = [];
  const log: string[] = [];
  const stopping = new AbortController();
  const docker = {
    processes() {
      did.push("look");
      return Promise.resolve(
        Array.from({ length: (processes.length > 1 ? processes.shift() : processes[0]) ?? 0 }),
      );
    },
    inspect: () => Promise.resolve({ id: "c", labels: {}, env: {} }),
    async exec(_: string, spec: ExecSpec) {
      did.push(spec.command.join(" "));
      await exec?.(spec);
      const isOurs = spec.command[0] === "make";
      return {
        output: isOurs && output ? output() : nothing(),
        exitCode: () => Promise.resolve(exitCode()),
        detach: () => did.push("detach"),
      };
    },
    kill() {
      did.push("kill");
      return Promise.resolve();
    },
  } as unknown as Docker;
  const context = {
    docker,
    signal: stopping.signal,
    settings: { graceMs: 1 },
    cleanup: (work: (signal: AbortSignal) => Promise<unknown>) => work(new AbortController().signal),
    log: {
      line: (text: string) => Promise.resolve(void log.push(text)),
      write: (stream: string, data: Uint8Array) =>
        Promise.resolve(void log.push(`${stream} ${new TextDecoder().decode(data)}`)),
      endLines: () => Promise.resolve(void log.push("ended")),
      recent: () => [],
    },
  } as unknown as ExecContext;
  return { docker, context, did, log, stop: () => stopping.abort(new Error("cancelled")) };
}

async function* nothing(): AsyncGenerator<OutputChunk> {}
async function* says(...chunks: [OutputChunk["stream"], string][]): AsyncGenerator<OutputChunk> {
  for (const [stream, text] of chunks) yield await Promise.resolve({ stream, data: bytes(text) });
}
const MAKE = { command: ["make"] };

test("exec logs what a command says, in order, and returns its exit code", async () => {
  const output = () => says(["stdout", "one"], ["stderr", "two"], ["stdout", "three"]);
  const { context, log, did } = world({ output, exitCode: () => 7 });
  const intercept = ({ stream }: OutputChunk) => stream === "stderr";
  assert.equal(await exec(context, "c", { ...MAKE, intercept }), 7);
  assert.deepEqual(log, ["stdout one", "stdout three", "ended"]);
  assert.deepEqual(did, ["make", "detach"]);
});

test("exec starts nothing once its step was told to stop", async () => {
  const { context, did, stop } = world();
  stop();
  await assert.rejects(exec(context, "c", MAKE), /cancelled/);
  assert.deepEqual(did, []);
});

test("exec ends every process when its step is told to stop, and leaves them alone when it has ended before", async () => {
  const gate = Promise.withResolvers<void>();
  const output = async function* () {
    yield* says(["stdout", "working"]);
    await gate.promise;
  };
  const running = world({ output, processes: [3, 2] });
  const result = exec(running.context, "c", MAKE);
  await until(() => running.log.length > 0);
  running.stop();
  await until(() => running.did.includes("detach"));
  gate.resolve();
  await assert.rejects(result, /cancelled/);
  assert.deepEqual(running.did.slice(0, 3), ["make", "look", END]);
  assert.ok(!running.did.includes("kill"));

  const over = world({ output: nothing });
  await exec(over.context, "c", MAKE);
  over.stop();
  await turns();
  assert.deepEqual(over.did, ["make", "detach"]);
});

test("a command that was told to stop while it started is ended, as it may have begun", async () => {
  const { context, did, stop } = world({
    processes: [3, 2],
    exec(spec) {
      if (spec.command[0] !== "make") return Promise.resolve();
      stop();
      return Promise.reject(new Error("cut off"));
    },
  });
  await assert.rejects(exec(context, "c", MAKE), /cut off/);
  assert.deepEqual(did.slice(0, 3), ["make", "look", END]);
  const failing = world({ exec: () => Promise.reject(new Error("no such command")) });
  await assert.rejects(exec(failing.context, "c", MAKE), /no such command/);
  assert.deepEqual(failing.did, ["make"]);
});

test("exec waits for an exit code that comes a moment after the output", async () => {
  const codes = [undefined, undefined, 3];
  const { context } = world({ exitCode: () => codes.shift() });
  assert.equal(await exec(context, "c", MAKE), 3);
});

test("endProcesses does nothing where only init and the idle process are left", async () => {
  const { docker, did } = world({ processes: [2] });
  const { signal } = new AbortController();
  assert.equal(await endProcesses(docker, "c", { graceMs: 1, signal }), "ended");
  assert.deepEqual(did, ["look"]);
});

test("endProcesses sends TERM, and kills the container if a process is left after the grace period", async () => {
  const { signal } = new AbortController();
  const heeding = world({ processes: [5, 2] });
  assert.equal(await endProcesses(heeding.docker, "c", { graceMs: 60_000, signal }), "ended");
  assert.deepEqual(heeding.did, ["look", END, "look"]);
  const stubborn = world({ processes: [3] });
  assert.equal(await endProcesses(stubborn.docker, "c", { graceMs: 1, signal }), "killed");
  assert.equal(stubborn.did.at(-1), "kill");
  // Full of processes, the container takes no more of them.
  const full = world({
    processes: [9, 2],
    exec: () => Promise.reject(new DockerError("cannot fork", { status: 500 })),
  });
  assert.equal(await endProcesses(full.docker, "c", { graceMs: 60_000, signal }), "ended");
});

test("capture keeps 256 KiB of each stream, and says where there was more", async () => {
  const kib = 256;
  const captured = async (size: number) => {
    const output = () => says(["stdout", "x".repeat(size - 1)], ["stderr", "err"], ["stdout", "y"]);
    return await capture(world({ output }).context, "c", MAKE);
  };
  const whole = await captured(kib * 1024);
  assert.deepEqual([whole.stdout.length, whole.stdout.at(-1), whole.stderr, whole.isCut], [
    kib * 1024,
    "y",
    "err",
    false,
  ]);
  const cut = await captured(kib * 1024 + 1);
  assert.deepEqual([cut.stdout.length, cut.stdout.at(-1), cut.isCut], [kib * 1024, "x", true]);
});

test("BoundedText keeps the beginning and EndOfText the end of what they are given, as copies", () => {
  const [begins, ends] = [new BoundedText(4), new EndOfText(4)];
  for (const text of [begins, ends]) {
    // The slice of a Buffer is no copy.
    const data = Buffer.from("ab");
    text.add(data);
    data.fill(0);
    text.add(bytes("cd"));
  }
  assert.deepEqual([begins.text(), begins.isCut, ends.text()], ["abcd", false, "abcd"]);
  for (const text of [begins, ends]) text.add(bytes("e\nf"));
  assert.deepEqual([begins.text(), begins.isCut], ["abcd", true]);
  assert.equal(ends.text(), "f");
  const whole = new EndOfText(4);
  whole.add(bytes("abcdef"));
  assert.equal(whole.text(), "cdef");
});
