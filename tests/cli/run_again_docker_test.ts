import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { containerName } from "../../lib/build/labels.ts";
import { removeByHand } from "../docker/real-docker.ts";
import { needing } from "../support/needs.ts";
import { objectsOfRun } from "../support/step-context.ts";
import { linesOf, project, runIdOf } from "./run-project.ts";
import { flutterCi, startFlutterCi } from "./start-program.ts";

const { test } = needing("Docker");

test("cancel ends a run of another process at once, with nothing left; retry does a run again, which names it", async () => {
  await using at = await project();
  const started = at.start("--json", "-e", "GREETING=hello", "-c", "echo $GREETING; exec sleep 1000");
  const run = await runIdOf(started);
  await started.said('"message":"hello"');
  const ask = (...words: string[]) =>
    flutterCi([...words, "--data", join(at.path, "data")], { cwd: at.path });
  const cancelled = await ask("cancel", "last");
  assert.deepEqual([cancelled.code, cancelled.stderr], [0, ""]);
  const ended = await started.ended;
  const end = linesOf(ended).at(-1);
  assert.deepEqual([ended.code, end?.outcome, end?.message], [
    130,
    "cancelled",
    'Cancelled by "flutter-ci cancel"',
  ]);
  assert.deepEqual(await objectsOfRun(run), []);

  const words = ["-e", "GREETING=hello", "-c", "echo $GREETING > out.txt", "-a", "out.txt"];
  const first = linesOf(await at.run("--json", ...words)).at(-1);
  const again = await ask("retry", "last", "--json");
  const lines = linesOf(again);
  assert.equal(again.code, 0, again.stdout + again.stderr);
  assert.equal(await readFile(join(at.path, "artifacts/out.txt"), "utf8"), "hello\n");
  const view = JSON.parse((await ask("show", lines[0]?.run ?? "", "--json")).stdout);
  assert.deepEqual([view.status, view.retryOf], ["succeeded", first?.run]);
});

test("retry takes the steps that the run had", async () => {
  await using at = await project();
  const file = join(at.path, "build.json");
  const pipeline = [
    { driver: "container-start", id: "start", timeout: "1m" },
    { driver: "git-cloner" },
    { driver: "container-stop", always: true },
  ];
  await writeFile(file, JSON.stringify({ resource: "flutter-builder", spec: {}, pipeline }));
  const ask = async (...words: string[]) => {
    const ended = await flutterCi([...words, "--json", "--data", join(at.path, "data")], { cwd: at.path });
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    return ended;
  };
  const stepsOf = async (run: string) => {
    const { pipeline, steps } = JSON.parse((await ask("show", run)).stdout);
    const asked = ({ id, driver, always, timeoutSeconds }: Record<string, unknown>) =>
      [id, driver, always, timeoutSeconds].join(" ");
    return [pipeline, ...steps.map(asked)];
  };
  const first = linesOf(await at.run("--json", "-f", file)).at(-1)?.run;
  const again = linesOf(await ask("retry", "last")).at(-1)?.run;
  assert.notEqual(again, first);
  assert.deepEqual(await stepsOf(again ?? ""), await stepsOf(first ?? ""));
  assert.deepEqual((await stepsOf(again ?? "")).slice(1), [
    "start container-start false 60",
    "git-cloner git-cloner false ",
    "container-stop container-stop true ",
  ]);
});

test("retry asks for the signatures that the run needed", async () => {
  await using at = await project();
  const signers = join(at.path, "signers");
  await writeFile(signers, `me@example.org ssh-ed25519 AAAA${"B".repeat(64)}\n`);
  const first = linesOf(await at.run("--json", "--verify-signatures", signers, "-c", "true")).at(-1);
  const again = await flutterCi(["retry", "last", "--json", "--data", join(at.path, "data")], {
    cwd: at.path,
  });
  assert.deepEqual([first?.reason, linesOf(again).at(-1)?.reason], ["not-signed", "not-signed"]);
});

test("run ends with the command that shows it again", async () => {
  await using at = await project();
  const { stdout } = await at.run("-c", "echo made", "-a", "hello.txt");
  const [, words = ""] = /\nShow it again: flutter-ci (show .*)\n$/.exec(stdout) ?? [];
  const shown = await flutterCi(words.split(" "), { cwd: at.path });
  assert.match(shown.stdout, /\nstatus +succeeded\n/);
  assert.match(shown.stdout, /\nhello\.txt +6 B\n/);
});

test("gc ends a run whose process was killed and removes what it left; a dry run only says so", async () => {
  await using at = await project();
  await using killed = startFlutterCi(at.words("--json", "--", "true"), {
    cwd: join(at.path, "repo"),
    env: { CONVEYOR_FAULT: "container-started", TMPDIR: at.path },
  });
  const run = await runIdOf(killed);
  assert.equal((await killed.ended).code, 137);
  const gc = (...words: string[]) => flutterCi(["gc", "--data", join(at.path, "data"), ...words]);
  const dry = await gc("--dry-run");
  assert.match(dry.stdout, new RegExp(`^Would end run ${run}\nWould remove container \\S+\n$`));
  assert.notDeepEqual(await objectsOfRun(run), []);
  const done = await gc();
  assert.match(done.stdout, new RegExp(`^Ended run ${run}\nRemoved container \\S+\n$`));
  assert.deepEqual(await objectsOfRun(run), []);
  assert.equal((await gc()).stderr, "Nothing is left behind\n");
  const view = JSON.parse((await flutterCi(["show", run, "--json", "--data", join(at.path, "data")])).stdout);
  assert.deepEqual([view.status, view.reason], ["failed", "driver-lost"]);
});

test("gc names a container that is kept for a look, and removes the volume of one that somebody has removed without it", async () => {
  await using at = await project();
  const ended = await at.run("--json", "--keep", "always", "--", "true");
  const { run = "" } = linesOf(ended).at(-1) ?? {};
  const gc = (...words: string[]) => flutterCi(["gc", "--data", join(at.path, "data"), ...words]);
  const name = containerName(run);
  const kept = await gc();
  const [, until = ""] =
    new RegExp(`^Kept container ${name} of run ${run}, until (\\S+)\n$`).exec(kept.stdout) ?? [];
  assert.ok(Date.parse(until) > Date.now(), kept.stdout);
  assert.deepEqual([kept.code, kept.stderr], [0, ""]);
  const json = JSON.parse((await gc("--dry-run", "--older-than", "1h", "--json")).stdout);
  assert.deepEqual(json, { type: "kept-container", name, run, until });
  await removeByHand(name);
  const [volume = ""] = await objectsOfRun(run);
  const dry = await gc("--dry-run");
  assert.deepEqual([dry.stdout, dry.stderr], [`Would remove volume ${volume}\n`, ""]);
  assert.deepEqual(await objectsOfRun(run), [volume]);
  assert.equal((await gc()).stdout, `Removed volume ${volume}\n`);
  assert.deepEqual(await objectsOfRun(run), []);
  assert.equal((await gc()).stderr, "Nothing is left behind\n");
});

test("doctor says what works, and with what does not how to mend it", async () => {
  await using at = await project();
  const doctor = (...words: string[]) => flutterCi(["doctor", "--data", join(at.path, "data"), ...words]);
  const well = await doctor();
  assert.equal(well.code, 0, well.stdout);
  assert.match(well.stdout, /^ok {3}data folder: .*\nok {3}Docker: \d+\..* CPUs, /);
  const ill = await doctor("--docker", `unix://${join(at.path, "nowhere.sock")}`, "--json");
  assert.equal(ill.code, 3, ill.stdout);
  const findings = ill.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  const docker = findings.find(({ what }) => what === "Docker");
  assert.equal(docker.level, "fail");
  assert.match(docker.message, /nowhere\.sock/);
  assert.ok(docker.remedy.length > 0);
  const closed = await doctor("--api", "http://127.0.0.1:1", "--nats", "nats://127.0.0.1:1");
  assert.equal(closed.code, 3);
  assert.match(closed.stdout, /\nFAIL control plane: .*\n {5}.*\nFAIL broker: .*\n {5}/);
});
