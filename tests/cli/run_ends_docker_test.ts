import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openHistory } from "../../lib/backend/embedded/embedded.ts";
import { idleName } from "../../lib/build/labels.ts";
import { needing } from "../support/needs.ts";
import { objectsOfRun } from "../support/step-context.ts";
import { linesOf, project, runIdOf } from "./run-project.ts";
import { type Ended, root, runtime, startFlutterCi, startProgram } from "./start-program.ts";

const { test } = needing("Docker");

const PROGRAM = join(root, "bin/flutter-ci");

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
  assert.deepEqual(await objectsOfRun(end.run), []);
});

test("run ignores a signal that it was started to ignore, as under nohup", async () => {
  await using app = await project();
  const words = app.words("--json", "--", "sh", "-c", "echo ready; sleep 600 & wait");
  await using started = startProgram("/bin/sh", ["-c", `trap '' HUP; exec "$0" "$@"`, PROGRAM, ...words], {
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
  await using started = startProgram("/bin/sh", ["-c", `exec "$0" "$@" >/dev/full`, PROGRAM, ...words], {
    cwd: join(app.path, "repo"),
    env: { CONVEYOR_RUNTIME: runtime },
  });
  const { code, stderr } = await started.ended;
  assert.equal(code, 3, stderr);
  assert.match(stderr, /^error: Cannot write to stdout: .*no space left on device/im);
  await using history = await openHistory(join(app.path, "data"));
  const [{ id } = assert.fail()] = await history.runs.list({ limit: 1 });
  assert.deepEqual(await objectsOfRun(id), []);
});

test("run ends in an orderly way after a rejection that nobody caught: cleanup, its end, exit code 70", async () => {
  await using app = await project();
  const words = app.words("--json", "--", "sh", "-c", "echo ready; sleep 600 & wait");
  const child = [fileURLToPath(new URL("children/flutter-ci-with-stray.ts", import.meta.url)), ...words];
  await using started = startProgram(
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
  assert.deepEqual(await objectsOfRun(end.run), []);
});

test("run clears up after a run whose process was killed, and its history says that it was lost", async () => {
  await using app = await project();
  await using killed = startFlutterCi(app.words("--json", "--", "true"), {
    cwd: join(app.path, "repo"),
    // Its temporary files stay where it is killed.
    env: { CONVEYOR_FAULT: "container-started", TMPDIR: app.path },
  });
  const run = await runIdOf(killed);
  assert.equal((await killed.ended).code, 137);
  assert.notDeepEqual(await objectsOfRun(run), []);
  const next = await app.run("-q", "--", "true");
  assert.equal(next.code, 0, next.stderr);
  assert.match(next.stderr, new RegExp(`Removed ${idleName(run)}, which an earlier run had left`));
  assert.deepEqual(await objectsOfRun(run), []);
  await using history = await openHistory(join(app.path, "data"));
  const { value } = await history.runs.get(run) ?? assert.fail();
  assert.deepEqual([value.outcome, value.verdict?.reason], ["failed", "driver-lost"]);
  assert.deepEqual(await history.runs.open(), []);
});

test("run with --keep failure leaves a container in which the failed command can be typed again, also after a cancel", async () => {
  await using app = await project({ "sub/a": "a\n" });
  const place = ["--keep", "failure", "--workdir", "sub", "-e", "QUOTES=it's\ntwo", "--grace", "500ms"];
  const enter = (stdout: string, typed: string) => {
    const words = /Enter it: docker exec -it (.*?)\. Remove it: docker rm -fv (\S+)/.exec(stdout) ??
      assert.fail(stdout);
    const [, exec = "", name = ""] = words;
    try {
      assert.doesNotMatch(exec, /hunter2/);
      const env = { ...process.env, KEY: "hunter2hunter2" };
      const at = execFileSync("docker", ["exec", "-i", ...exec.split(" ")], {
        input: typed,
        encoding: "utf8",
        env,
      });
      const script = execFileSync("docker", ["exec", name, "cat", "/.conveyor/enter"], { encoding: "utf8" });
      assert.doesNotMatch(script, /hunter2/);
      return at;
    } finally {
      execFileSync("docker", ["rm", "-fv", name]);
    }
  };
  await using failing = startFlutterCi(app.words(...place, "--secret", "KEY", "-c", "test $QUOTES"), {
    cwd: join(app.path, "repo"),
    env: { KEY: "hunter2hunter2" },
  });
  const { stdout } = await failing.ended;
  assert.equal(
    enter(stdout, 'printf "%s|" "$QUOTES" "$CI" "$KEY" "$CONVEYOR_REF" "$PWD" *'),
    "it's\ntwo|true|hunter2hunter2|refs/heads/main|/workspace/sub|a|",
  );
  // A container that had to be killed is started again for it.
  const stubborn = app.start(...place, "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done");
  await stubborn.said("\nready");
  stubborn.kill("SIGTERM");
  const cancelled = (await stubborn.ended).stdout;
  assert.match(cancelled, /\nbuilder +cancelled /);
  assert.match(cancelled, /\nNext: Look around where it was: the container is kept/);
  assert.equal(enter(cancelled, 'echo "$CI $PWD"'), "true /workspace/sub\n");
});

test("run says nothing of what to do next when it was cancelled", async () => {
  await using app = await project();
  const started = app.start("-c", "echo ready; exec sleep 600");
  await started.said("\nready");
  started.kill("SIGINT");
  const { code, stdout } = await started.ended;
  assert.equal(code, 130);
  assert.match(stdout, /\nbuilder +cancelled /);
  assert.doesNotMatch(stdout, /\nNext:/);
});

test("run keeps what is always wanted of a build that takes too long or is cancelled, whether it heeds TERM or is killed", async () => {
  await using app = await project();
  const kept = (ended: Ended) =>
    (linesOf(ended).at(-1)?.artifacts as { name: string }[]).map(({ name }) => name);
  const always = ["--json", "--artifact-always", "*.log", "-a", "app", "--grace", "500ms"];
  const stubborn = "trap '' TERM; echo 1 >a.log; echo ready; while :; do sleep 0.1; done";
  const lateAfter = async (seconds: number): Promise<Ended> => {
    const ended = await app.run(...always, "--timeout", `${seconds}s`, "-c", stubborn);
    // On a busy machine the time may be over before the command has begun.
    return ended.stdout.includes('"message":"ready"') ? ended : await lateAfter(2 * seconds);
  };
  const late = await lateAfter(3);
  assert.equal(late.code, 124, late.stderr);
  assert.deepEqual(kept(late), ["a.log"]);
  assert.equal(await readFile(join(app.path, "repo/artifacts/a.log"), "utf8"), "1\n");
  const line = "echo 2 >b.log; ln -s b.log link.log; echo ready; exec sleep 600";
  const started = app.start(...always, "-c", line);
  await started.said('"message":"ready"');
  started.kill("SIGINT");
  const cancelled = await started.ended;
  assert.equal(cancelled.code, 130, cancelled.stderr);
  assert.deepEqual(kept(cancelled), ["b.log", "link.log"]);
  assert.equal(await readlink(join(app.path, "repo/artifacts/link.log")), "b.log");
  assert.deepEqual(await objectsOfRun(linesOf(cancelled)[0]?.run ?? ""), []);
});

test("run with --keep failure leaves the container of a failed build, and says how to enter it", async () => {
  await using app = await project();
  const good = await app.run("--json", "--keep", "failure", "--", "true");
  assert.deepEqual(await objectsOfRun(linesOf(good).at(-1)?.run ?? ""), []);
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
  assert.match(
    stdout,
    /\nNext: Fix the error above, or look around where it happened: the container is kept/,
  );
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

test("run with --keep leaves a container that has its network, also if the build ends before its first process", async () => {
  await using app = await project();
  const signers = join(app.path, "signers");
  await writeFile(
    signers,
    "me@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n",
  );
  const { stdout } = await app.run(
    ...["--keep", "failure", "--verify-signatures", signers, "--git-image", "localhost:1/nosuch:1"],
    ...["--", "true"],
  );
  assert.match(stdout, /localhost:1\/nosuch/);
  const name = /Remove it: docker rm -fv (\S+)/.exec(stdout)?.[1] ?? assert.fail(stdout);
  try {
    const networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}";
    const words = ["inspect", "--format", networks, name];
    assert.match(execFileSync("docker", words, { encoding: "utf8" }), /^conveyor/);
  } finally {
    execFileSync("docker", ["rm", "-fv", name]);
  }
});
