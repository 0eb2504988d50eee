import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { root, runtime, type Started, startProgram, temporaryFolder } from "./start-program.ts";

const WITH_STRAY = fileURLToPath(new URL("children/flutter-ci-with-stray.ts", import.meta.url));

/** Starts `flutter-ci` as a shell line does, where `$F` stands for the program. */
function shell(line: string, env: Record<string, string> = {}): Started {
  return startProgram("/bin/sh", ["-c", line], {
    env: { F: join(root, "bin/flutter-ci"), CONVEYOR_RUNTIME: runtime, ...env },
  });
}

const up = (data: string): string[] => ["up", "--drivers", "none", "--listen", "127.0.0.1:0", "--data", data];

test("up ignores the signals that it was started to ignore, and heeds the others", async () => {
  await using folder = await temporaryFolder();
  const started = shell(`trap '' HUP INT; exec "$F" ${up(join(folder.path, "data")).join(" ")}`);
  await started.said("Serves ");
  started.kill("SIGHUP");
  started.kill("SIGINT");
  started.kill("SIGTERM");
  const { code, stderr } = await started.ended;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /Cancelled by SIGTERM: takes no more runs/);
});

test("up ends in an orderly way after a rejection that nobody caught, and exits 70", async () => {
  await using folder = await temporaryFolder();
  const words = up(join(folder.path, "data"));
  const started = runtime === "bun"
    ? startProgram("bun", ["--no-env-file", WITH_STRAY, ...words])
    : startProgram("deno", ["run", "-A", "--no-check", "--cached-only", WITH_STRAY, ...words]);
  await started.said("Serves ");
  started.kill("SIGUSR2");
  const { code, stderr } = await started.ended;
  assert.equal(code, 70, stderr);
  assert.match(stderr, /error: This is a defect of the program: a stray rejection\n/);
  assert.match(stderr, /Report it with these lines/);
  assert.match(stderr, /The program has a defect: a stray rejection: takes no more runs/);
});

test("flutter-ci exits 3 and names it where stdout is a full disk, and lets a reader go", async () => {
  for (const words of ["--version", "run --help", "complete -- r", "completion bash"]) {
    const { code, stderr } = await shell(`exec "$F" ${words} >/dev/full`).ended;
    assert.equal(code, 3, words);
    assert.match(stderr, /^error: Cannot write to stdout: .*no space left on device/i, words);
  }
  const gone = await shell(`{ "$F" --help; echo "exit $?" >&2; } | true`).ended;
  assert.equal(gone.stderr, "exit 0\n");
});

test("flutter-ci says what it has to say to a full stderr without coming to harm", async () => {
  const { code, stdout } = await shell(`"$F" run /nonexistent 2>/dev/full; echo "exit $?"`).ended;
  assert.deepEqual([code, stdout], [0, "exit 2\n"]);
});
