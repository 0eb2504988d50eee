import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { idleName } from "../../lib/build/labels.ts";
import { openHistory } from "../../lib/backend/embedded/embedded.ts";
import { until } from "../support/until.ts";
import { makeRepository } from "./git-repository.ts";
import {
  type Ended,
  flutterCi,
  root,
  runtime,
  type Started,
  startFlutterCi,
  startProgram,
  temporaryFolder,
} from "./start-program.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

const image = process.env.CONVEYOR_TEST_IMAGE ?? "conveyor-build:bookworm";

const PROGRAM = join(root, "bin/flutter-ci");

interface Line {
  type: string;
  run: string;
  step: string;
  status: string;
  seq: number;
  message: string;
  [key: string]: unknown;
}

/** A folder with a repository `repo`, and the words that build it there. */
async function project(files: Record<string, string> = { "hello.txt": "hello\n" }) {
  const folder = await temporaryFolder();
  makeRepository(join(folder.path, "repo"), files);
  const data = join(folder.path, "data");
  const words = (...more: string[]) => ["run", "--data", data, "--image", image, "--pull", "never", ...more];
  return {
    path: folder.path,
    /** To its end, from within the repository. */
    run: (...more: string[]) => flutterCi(words(...more), { cwd: join(folder.path, "repo") }),
    start: (...more: string[]) => startFlutterCi(words(...more), { cwd: join(folder.path, "repo") }),
    words,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

const linesOf = ({ stdout }: Ended): Line[] => stdout.trimEnd().split("\n").map((line) => JSON.parse(line));

/** What this run has left on the daemon. */
function leftOf(run: string): string[] {
  const list = (...words: string[]) =>
    execFileSync("docker", [...words, "--filter", `label=conveyor.run=${run}`], { encoding: "utf8" })
      .split("\n").filter((line) => line !== "");
  return [...list("ps", "-aq"), ...list("volume", "ls", "-q"), ...list("network", "ls", "-q")];
}

/** Signals that come within a moment of each other count as one: it takes a later one. */
async function signalledUntilItEnds(started: Started, signal: NodeJS.Signals): Promise<Ended> {
  let isOver = false;
  started.ended.then(() => isOver = true, () => isOver = true);
  await until(() => {
    if (!isOver) started.kill(signal);
    return isOver;
  }, "it ends at a later signal");
  return await started.ended;
}

async function runIdOf(started: Started): Promise<string> {
  await started.said('"type":"run"');
  return started.output().match(/"run":"([0-9a-f-]{36})"/)?.[1] ?? assert.fail("No run id");
}

test("run tells a build as event lines, keeps its artifacts, and leaves nothing on the daemon", async () => {
  await using app = await project({
    "src/a.txt": "a\n",
    "Makefile": "all:\n\tcp src/a.txt out.txt; echo built; echo oops >&2\n",
  });
  const ended = await app.run(
    "--json",
    "-c",
    "make",
    "-c",
    "printf no-newline",
    "-a",
    "*.txt",
    "-o",
    "kept/here",
  );
  assert.equal(ended.code, 0, ended.stderr);
  const lines = linesOf(ended);
  const [first] = lines;
  assert.deepEqual(Object.keys(first ?? {}), ["type", "run", "resource", "time"]);
  const steps = lines.filter(({ type }) => type === "step").map(({ step, status }) => `${step} ${status}`);
  assert.deepEqual(
    steps,
    ["container-start", "git-cloner", "builder", "container-stop"].flatMap((
      s,
    ) => [`${s} started`, `${s} succeeded`]),
  );
  const logs = lines.filter(({ type }) => type === "log");
  assert.deepEqual(logs.map(({ seq }) => seq), logs.map((_, i) => i + 1));
  for (
    const [stream, message] of [["stdout", "built"], ["stderr", "oops"], ["stdout", "no-newline"]] as const
  ) {
    assert.ok(
      logs.some((log) => log.stream === stream && log.message === message && log.step === "builder"),
      message,
    );
  }
  const end = lines.at(-1) ?? assert.fail();
  const sha256 = createHash("sha256").update("a\n").digest("hex");
  assert.deepEqual({ ...end, seconds: 0 }, {
    type: "end",
    run: first?.run,
    outcome: "succeeded",
    message: end.message,
    seconds: 0,
    lines: logs.length,
    artifacts: [{ name: "out.txt", path: "out.txt", size: 2, sha256 }],
  });
  assert.equal(await readFile(join(app.path, "repo/kept/here/out.txt"), "utf8"), "a\n");
  assert.deepEqual(leftOf(end.run), []);
});

test("run tells its end although the artifacts cannot be saved, and exits 3", async () => {
  await using app = await project();
  await symlink(app.path, join(app.path, "repo/artifacts"));
  const ended = await app.run("--json", "-a", "hello.txt", "--", "true");
  assert.equal(ended.code, 3);
  assert.match(
    ended.stderr,
    /error: Cannot save the artifact "hello\.txt" in "artifacts": .*is not a folder\n/,
  );
  const end = linesOf(ended).at(-1) ?? assert.fail();
  assert.deepEqual([end.type, end.outcome], ["end", "succeeded"]);
  assert.equal((await readdir(app.path)).includes("hello.txt"), false);
});

test("run shows a failure with what led to it, and exits 1", async () => {
  await using app = await project();
  const { code, stdout, stderr } = await app.run("--", "sh", "-c", "echo first; echo last; exit 7");
  assert.equal(code, 1);
  assert.equal(stderr, "");
  assert.match(stdout, /\n==> builder\n\$ sh -c 'echo first; echo last; exit 7'\nfirst\nlast\n/);
  assert.match(stdout, /\nbuilder +failed +\d+\.\d\d\ncontainer-stop +succeeded /);
  assert.match(stdout, /\nThe last lines before it failed:\n(?: {2}.*\n)* {2}last\n/);
  assert.match(stdout, /\nFailed after .*exited with 7.* \(command-failed\)\nNext: .+\n$/);
});

test("run takes env, secrets and the folder, and masks a secret wherever it is printed", async () => {
  await using app = await project({ "sub/x": "x" });
  const started = startFlutterCi(
    app.words(
      "--json",
      ...["--workdir", "sub", "-e", "A=1", "-e", "FROM_HERE", "--secret", "TOKEN"],
      ...["--", "sh", "-c", "pwd; echo $A $FROM_HERE; echo key=$TOKEN; test ${#TOKEN} = 11; exit 3"],
    ),
    { cwd: join(app.path, "repo"), env: { FROM_HERE: "two", TOKEN: "hunter2-abc" } },
  );
  const ended = await started.ended;
  const messages = linesOf(ended).filter(({ type }) => type === "log").map(({ message }) => message);
  assert.ok(messages.includes("/workspace/sub"));
  assert.ok(messages.includes("1 two"));
  assert.ok(messages.some((message) => message.startsWith("key=")));
  assert.equal(`${ended.stdout}${ended.stderr}`.includes("hunter2-abc"), false);
  assert.equal(linesOf(ended).at(-1)?.reason, "command-failed");
  assert.match(String(linesOf(ended).at(-1)?.message), /exited with 3/);
  assert.equal(ended.code, 1);
});

test("run exits 1 for a missing ref or image, with the reason in its last line", async () => {
  await using app = await project();
  const cases = [
    [["--ref", "no-such-branch"], "ref-not-found"],
    [["--image", "conveyor.invalid/none:1"], "image-not-found"],
    [["-a", "*.nothing"], "artifact-failed"],
  ] as const;
  for (const [flags, reason] of cases) {
    const ended = await app.run("--json", ...flags, "--", "true");
    assert.equal(ended.code, 1, reason);
    assert.equal(linesOf(ended).at(-1)?.reason, reason);
  }
});

test("run exits 124 when its time is over, with everything ended and removed", async () => {
  await using app = await project();
  const ended = await app.run(
    "--json",
    "--timeout",
    "2s",
    "--grace",
    "1s",
    "--",
    "sh",
    "-c",
    "trap '' TERM; sleep 600",
  );
  assert.equal(ended.code, 124, ended.stderr);
  const end = linesOf(ended).at(-1) ?? assert.fail();
  assert.equal(end.outcome, "timed-out");
  assert.equal(end.reason, "timeout");
  assert.deepEqual(leftOf(end.run), []);
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  test(`run is cancelled by ${signal}: it cleans up, says so, and exits ${code}`, async () => {
    await using app = await project();
    const started = app.start("--json", "--", "sh", "-c", "echo ready; sleep 600 & wait");
    await started.said('"message":"ready"');
    started.kill(signal);
    const ended = await started.ended;
    assert.equal(ended.code, code, ended.stderr);
    assert.match(ended.stderr, /Stopping the build and cleaning up; once more to leave at once/);
    const end = linesOf(ended).at(-1) ?? assert.fail();
    assert.deepEqual([end.type, end.outcome, end.reason], ["end", "cancelled", "cancelled"]);
    assert.match(end.message, new RegExp(signal));
    assert.deepEqual(leftOf(end.run), []);
  });
}

test("run takes a signal that arrives twice at once for one request, as timeout and make deliver it", async () => {
  await using app = await project();
  const started = app.start("--json", "--", "sh", "-c", "echo ready; sleep 600 & wait");
  await started.said('"message":"ready"');
  for (let i = 0; i < 3; i++) started.kill("SIGTERM");
  const ended = await started.ended;
  assert.equal(ended.code, 143, ended.stderr);
  assert.doesNotMatch(ended.stderr, /Left at once/);
  const end = linesOf(ended).at(-1) ?? assert.fail();
  assert.deepEqual([end.type, end.outcome], ["end", "cancelled"]);
  assert.deepEqual(leftOf(end.run), []);
});

test("run ignores a signal that it was started to ignore, as under nohup", async () => {
  await using app = await project();
  const words = app.words("--json", "--", "sh", "-c", "echo ready; sleep 600 & wait");
  const started = startProgram("/bin/sh", ["-c", `trap '' HUP; exec "$0" "$@"`, PROGRAM, ...words], {
    cwd: join(app.path, "repo"),
    env: { CONVEYOR_RUNTIME: runtime },
  });
  await started.said('"message":"ready"');
  started.kill("SIGHUP");
  started.kill("SIGTERM");
  const ended = await started.ended;
  assert.equal(ended.code, 143, ended.stderr);
  assert.match(linesOf(ended).at(-1)?.message ?? "", /SIGTERM/);
});

test("run on a full disk is cancelled, names it, and exits 3", async () => {
  await using app = await project();
  const words = app.words("--json", "--", "sh", "-c", "sleep 600 & wait");
  const started = startProgram("/bin/sh", ["-c", `exec "$0" "$@" >/dev/full`, PROGRAM, ...words], {
    cwd: join(app.path, "repo"),
    env: { CONVEYOR_RUNTIME: runtime },
  });
  const { code, stderr } = await started.ended;
  assert.equal(code, 3, stderr);
  assert.match(stderr, /^error: Cannot write to stdout: .*no space left on device/im);
  await using history = await openHistory(join(app.path, "data"));
  const [{ id } = assert.fail()] = await history.runs.list({ limit: 1 });
  assert.deepEqual(leftOf(id), []);
});

test("run ends in an orderly way after a rejection that nobody caught: cleanup, its end, exit code 70", async () => {
  await using app = await project();
  const words = app.words("--json", "--", "sh", "-c", "echo ready; sleep 600 & wait");
  const child = [fileURLToPath(new URL("children/flutter-ci-with-stray.ts", import.meta.url)), ...words];
  const started = startProgram(
    runtime,
    runtime === "bun" ? ["--no-env-file", ...child] : ["run", "-A", "--no-check", "--cached-only", ...child],
    { cwd: join(app.path, "repo") },
  );
  await started.said('"message":"ready"');
  started.kill("SIGUSR2");
  const ended = await started.ended;
  assert.equal(ended.code, 70, ended.stderr);
  assert.match(ended.stderr, /^error: This is a defect of the program: a stray rejection\n/m);
  const end = linesOf(ended).at(-1) ?? assert.fail();
  assert.deepEqual([end.type, end.outcome, end.reason], ["end", "failed", "defect"]);
  assert.deepEqual(leftOf(end.run), []);
});

test("run succeeds though the folder for temporary files is missing", async () => {
  await using app = await project();
  const ended = await startFlutterCi(app.words("--json", "--", "sleep", "1"), {
    cwd: join(app.path, "repo"),
    env: { TMPDIR: "/nonexistent" },
  }).ended;
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(linesOf(ended).at(-1)?.type, "end");
});

test("run is cancelled when nobody reads its stdout any more", async () => {
  await using app = await project();
  const started = app.start("--json", "--", "sh", "-c", "while :; do echo line; sleep 0.05; done");
  const run = await runIdOf(started);
  await started.said('"message":"line"');
  started.closeStdout();
  const { code, stderr } = await started.ended;
  assert.equal(code, 129, stderr);
  assert.deepEqual(leftOf(run), []);
});

test("run leaves at once at the second signal, names what it leaves, and the next run removes it", async () => {
  await using app = await project();
  const started = app.start(
    "--json",
    "--grace",
    "1h",
    "--",
    "sh",
    "-c",
    "trap '' TERM; echo ready; while :; do sleep 1; done",
  );
  const run = await runIdOf(started);
  await started.said('"message":"ready"');
  started.kill("SIGINT");
  await started.said("Stopping the build");
  const ended = await signalledUntilItEnds(started, "SIGTERM");
  assert.equal(ended.code, 143);
  assert.match(
    ended.stderr,
    new RegExp(
      `the run's container, which the next "flutter-ci run" removes, or: docker rm .*=conveyor\\.run=${run}\\)$`,
      "m",
    ),
  );
  assert.equal(linesOf(ended).some(({ type }) => type === "end"), false);
  assert.notDeepEqual(leftOf(run), []);
  const next = await app.run("-q", "--", "true");
  assert.equal(next.code, 0, next.stderr);
  assert.deepEqual(leftOf(run), []);
});

test("run clears up after a run whose process was killed, and its history says that it was lost", async () => {
  await using app = await project();
  const killed = startFlutterCi(app.words("--json", "--", "true"), {
    cwd: join(app.path, "repo"),
    env: { CONVEYOR_FAULT: "container-started" },
  });
  const run = await runIdOf(killed);
  assert.equal((await killed.ended).code, 137);
  assert.notDeepEqual(leftOf(run), []);
  const next = await app.run("-q", "--", "true");
  assert.equal(next.code, 0, next.stderr);
  assert.match(next.stderr, new RegExp(`Removed ${idleName(run)}, which an earlier run had left`));
  assert.deepEqual(leftOf(run), []);
  await using history = await openHistory(join(app.path, "data"));
  const { value } = await history.runs.get(run) ?? assert.fail();
  assert.deepEqual([value.outcome, value.verdict?.reason], ["failed", "driver-lost"]);
  assert.deepEqual(await history.runs.open(), []);
});

test("run with --keep failure leaves the container of a failed build, and says how to enter it", async () => {
  await using app = await project();
  const good = await app.run("--json", "--keep", "failure", "--", "true");
  assert.deepEqual(leftOf(linesOf(good).at(-1)?.run ?? ""), []);
  const { code, stdout } = await app.run(
    "--keep",
    "failure",
    "--",
    "sh",
    "-c",
    "echo found > /workspace/evidence; false",
  );
  assert.equal(code, 1);
  const name = stdout.match(/docker exec -it (conveyor-[0-9a-f-]+) sh/)?.[1] ?? assert.fail(stdout);
  try {
    const evidence = execFileSync("docker", ["exec", name, "cat", "/workspace/evidence"], {
      encoding: "utf8",
    });
    assert.equal(evidence, "found\n");
    const next = await app.run("-q", "--", "true");
    assert.equal(next.code, 0);
    execFileSync("docker", ["inspect", name], { stdio: "ignore" });
  } finally {
    execFileSync("docker", ["rm", "-fv", name]);
  }
});

test("run quietly says the outcome, and warns of what is not committed", async () => {
  await using app = await project();
  const dirty = await app.run("-q", "--", "sh", "-c", "touch x");
  assert.match(dirty.stdout, /^Succeeded in [\d.]+ s\n$/);
  assert.equal(dirty.stderr, "");
  execFileSync("touch", [join(app.path, "repo/forgotten")]);
  const warned = await app.run("-q", "--", "sleep", "1");
  assert.equal(warned.stderr, "warning: Not committed, so not built: forgotten\n");
});

test("run warns of no artifacts of its own, and says so when a folder was named that commands do not run in", async () => {
  await using app = await project({ "packages/my app/a": "a\n" });
  const keeping = ["-a", "*.txt", "-c", "echo a >kept.txt; sleep 1"];
  const there = await app.run("-q", "--workdir", "packages/my app", ...keeping);
  assert.deepEqual([there.code, there.stderr], [0, ""]);
  assert.deepEqual(await readdir(join(app.path, "repo/artifacts")), ["kept.txt"]);
  const atTop = await flutterCi(app.words("-q", "-c", "test -d packages; sleep 1"), {
    cwd: join(app.path, "repo/packages/my app"),
  });
  const said =
    "Commands run at the top of the repository, not in packages/my app; to run them there: --workdir 'packages/my app'\n";
  assert.deepEqual([atTop.code, atTop.stderr], [0, said]);
});

test("run builds what was committed when it was typed, whatever is committed meanwhile", async () => {
  await using app = await project({ "a": "typed\n" });
  const started = app.start("--json", "-c", "cat a; echo $CONVEYOR_REF; git status --branch --short");
  await runIdOf(started);
  const repo = join(app.path, "repo");
  execFileSync("sh", [
    "-c",
    "echo later >a && git -c user.name=t -c user.email=t@localhost commit -qam later",
  ], { cwd: repo });
  const ended = await started.ended;
  assert.equal(ended.code, 0, ended.stderr);
  const said = linesOf(ended).filter(({ stream }) => stream === "stdout").map(({ message }) => message);
  assert.deepEqual(said, ["typed", "refs/heads/main", "## main"]);
});

test("run builds what is committed, from a folder below the top, with no git on this machine", async () => {
  await using app = await project({ "sub/a": "committed\n" });
  execFileSync("sh", ["-c", `echo changed > '${join(app.path, "repo/sub/a")}'`]);
  const { code, stdout, stderr } = await flutterCi(app.words("--", "cat", "sub/a"), {
    cwd: join(app.path, "repo/sub"),
    env: { PATH: dirname(process.execPath) },
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\ncommitted\n/);
  assert.deepEqual(await readdir(join(app.path, "repo")), [".git", "sub"]);
});
