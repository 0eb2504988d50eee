import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { bytes } from "../backend/transport-conformance/opened.ts";
import { publishBatch } from "../backend/store-conformance/opened.ts";
import { controlPlane } from "../support/control-plane.ts";
import { RUN, submission } from "../engine/support/runs.ts";
import { scriptedDriver } from "../engine/support/scripted-driver.ts";
import { endOf, openWorld } from "../engine/support/world.ts";
import { until } from "../support/until.ts";
import { flutterCi, temporaryFolder } from "./start-program.ts";

const OTHER = "11112222-2222-4333-8444-555555555555";

/** A data folder with a run that has failed and left artifacts, and a newer one that is open. */
async function history() {
  const world = await openWorld();
  const engine = await world.engine();
  {
    await using _a = await scriptedDriver(world.transport, "a", async ({ log, run }) => {
      await log("one");
      await log("two \u001b[2Jthree");
      await world.transport.putBlob(run, "out/app.bin", bytes("content"), { mode: 0o755 });
      return { success: false, message: "`make` exited with 2", data: { reason: "command-failed" } };
    });
    await using _b = await scriptedDriver(world.transport, "b", async ({ log }) => {
      await log("bye");
      return { success: true, message: "Removed" };
    });
    await engine.submit(submission("a b!", { run: RUN }));
    await endOf(engine, RUN);
  }
  await engine.submit(submission("a b!", { run: OTHER }));
  const ask = (...words: string[]) => flutterCi([...words, "--data", world.folder]);
  return { world, ask, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

test("runs, show, logs and artifacts speak of the runs in a data folder", async () => {
  await using staged = await history();
  const { ask, world } = staged;
  const listed = await ask("runs");
  const [titles, ...rows] = listed.stdout.trimEnd().split("\n").map((line) => line.split(/ {2,}/));
  assert.equal(listed.code, 0, listed.stderr);
  assert.deepEqual(titles, ["run", "status", "resource", "started", "took", "why or where"]);
  assert.deepEqual(rows.map(([id, status, name]) => [id, status, name]), [
    [OTHER, "queued", "one"],
    [RUN, "failed", "one"],
  ]);
  const failed = await ask("runs", "--status", "failed", "--json");
  assert.deepEqual(failed.stdout.trimEnd().split("\n").map((line) => JSON.parse(line).id), [RUN]);
  assert.equal((await ask("runs", "--limit", "1", "--json")).stdout.split("\n").length, 2);

  const shown = await ask("show", "11111111");
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, new RegExp(`^run +${RUN}\nstatus +failed: .*command-failed\\)\n`));
  assert.match(shown.stdout, /\na +failed +\d+\.\d\d +`make` exited with 2\nb +succeeded/);
  assert.match(shown.stdout, /\nout\/app\.bin +7 B\n/);
  assert.ok(shown.stdout.endsWith(`\nLog: flutter-ci logs --data ${world.folder} 11111111\n`), shown.stdout);
  const view = JSON.parse((await ask("show", RUN, "--json")).stdout);
  assert.deepEqual([view.id, view.reason, view.artifacts.length], [RUN, "command-failed", 1]);

  assert.equal((await ask("logs", RUN)).stdout, "one\ntwo ␛[2Jthree\nbye\n");
  assert.equal((await ask("logs", RUN, "--step", "b")).stdout, "bye\n");
  const lines = (await ask("logs", RUN, "-f", "--json")).stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert.deepEqual(lines.map(({ type, seq }) => [type, seq]), [["log", 1], ["log", 2], ["log", 3]]);

  assert.match((await ask("artifacts", RUN)).stdout, /\nout\/app\.bin +7 B +[0-9a-f]{64}\n$/);
  await using folder = await temporaryFolder();
  assert.equal((await ask("artifacts", RUN, "-o", folder.path)).code, 0);
  assert.equal(await readFile(join(folder.path, "out/app.bin"), "utf8"), "content");
  assert.equal((await stat(join(folder.path, "out/app.bin"))).mode & 0o777, 0o755);
  assert.equal((await ask("artifacts", "last")).stderr, `Run ${OTHER} has no artifacts\n`);
  assert.ok(await world.store.runs.get(RUN));
});

test("a run is named by its id, a unique beginning of it, or last; anything else is refused", async () => {
  await using staged = await history();
  const { ask } = staged;
  const idOf = async (text: string) => JSON.parse((await ask("show", text, "--json")).stdout).id;
  assert.equal(await idOf("last"), OTHER);
  assert.equal(await idOf("11111"), RUN);
  assert.equal(await idOf(RUN.toUpperCase()), RUN);
  for (
    const [text, expected] of [
      ["1111", /Several runs begin with "1111": .*11111111.* or 11112222/],
      ["ffff", /No run begins with "ffff"/],
      ["newest", /Invalid run "newest": expected the id of a run/],
      ["99999999-2222-4333-8444-555555555555", /Unknown run "99999999/],
    ] as const
  ) {
    const { code, stderr } = await ask("logs", text);
    assert.equal(code, 2, text);
    assert.match(stderr, expected);
  }
  await using empty = await temporaryFolder();
  const none = await flutterCi(["show", "last", "--data", join(empty.path, "none")]);
  assert.deepEqual([none.code, none.stderr], [2, "error: There is no run yet\n"]);
  assert.equal((await flutterCi(["runs", "--data", join(empty.path, "none")])).stderr, "No runs\n");
});

test("completion suggests runs by their ids, of the folder that the line names", async () => {
  await using staged = await history();
  const { world } = staged;
  const suggested = async (...words: string[]) =>
    (await flutterCi(["complete", "--", ...words])).stdout.trimEnd().split("\n").map((line) =>
      line.split("\t")[0]
    );
  assert.deepEqual(await suggested("logs", "--data", world.folder, "1"), [OTHER, RUN, ":4"]);
  assert.deepEqual(await suggested("show", `--data=${world.folder}`, "11111"), [RUN, ":4"]);
  assert.deepEqual(await suggested("runs", "--status", "timed"), ["timed-out", ":4"]);
  assert.deepEqual(await suggested("show", "--data", join(world.folder, "seal.key"), ""), [":4"]);
});

test("cancel ends no run that nobody works on here, and says who can", async () => {
  await using staged = await history();
  const { ask } = staged;
  const { code, stderr } = await ask("cancel", "last");
  assert.equal(code, 3);
  assert.match(stderr, /no process works on it here.*flutter-ci gc/s);
  const ended = await ask("cancel", RUN);
  assert.deepEqual([ended.code, ended.stdout], [0, `Run ${RUN} has ended already: failed\n`]);
});

test("a command asks the control plane that serves the data folder, wherever it listens", async () => {
  await using plane = await controlPlane("--drivers", "none");
  const up = await plane.start();
  const ask = (...words: string[]) => flutterCi([...words, "--data", plane.data]);
  const submitted = await ask("submit", "--detach", "-c", "make", "https://repository.invalid/app.git");
  assert.equal(submitted.code, 0, submitted.stderr);
  const run = submitted.stdout.trim();
  const open = await ask("runs", "--json");
  assert.deepEqual([JSON.parse(open.stdout).id, JSON.parse(open.stdout).status], [run, "queued"]);
  const retried = await ask("retry", "last", "--json");
  assert.equal(retried.code, 0, retried.stderr);
  assert.equal(JSON.parse(retried.stdout).retryOf, run);
  const signed = await ask("retry", "last", "--verify-signatures", "signers");
  assert.deepEqual([signed.code, signed.stdout], [2, ""]);
  assert.match(signed.stderr, /^error: --verify-signatures: A control plane repeats a run as it was/);
  const cancelled = await ask("cancel", run);
  assert.equal(cancelled.code, 0, cancelled.stderr);
  const byUrl = await ask("show", run, "--json", "--api", plane.url);
  assert.match(JSON.parse(byUrl.stdout).status, /^(stopping|cancelled)$/);
  const closed = await ask("runs", "--api", "http://127.0.0.1:1");
  assert.equal(closed.code, 3);
  assert.match(closed.stderr, /Cannot reach the control plane at "http:\/\/127.0.0.1:1".*--api/s);
  // Killed, it leaves word of itself behind; its runs are still in the folder.
  up.kill("SIGKILL");
  await up.ended;
  const left = await ask("runs", "--json");
  assert.equal(left.stdout.trimEnd().split("\n").length, 2, left.stderr);
});

test("logs -f goes over from what is stored into what comes, and ends with the run", async () => {
  await using staged = await history();
  const { world, ask } = staged;
  const following = ask("logs", "-f", "last");
  await publishBatch(world.transport, ["one", "two"], { run: OTHER, step: "a" });
  await using _a = await scriptedDriver(world.transport, "a", () => ({ success: true, message: "" }));
  await using _b = await scriptedDriver(world.transport, "b", () => ({ success: true, message: "" }));
  await until(async () => (await world.store.runs.get(OTHER))?.value.outcome !== undefined);
  assert.deepEqual((await following).stdout, "one\ntwo\n");
});

test("up takes further tokens that allow less, tells how it stands, and bounds its runs", async () => {
  await using folder = await temporaryFolder();
  const wall = join(folder.path, "wall");
  await writeFile(wall, "the-token-of-the-wall\n");
  await using plane = await controlPlane(
    "--drivers",
    "none",
    "--max-runs",
    "1",
    "--token-file",
    `wall:read=${wall}`,
  );
  const up = await plane.start();
  const own = await plane.token();
  const ask = async (token: string, path: string, method = "GET") => {
    const answer = await fetch(`${plane.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
    });
    return { status: answer.status, text: await answer.text(), after: answer.headers.get("retry-after") };
  };
  assert.equal((await plane.submit("--detach").ended).code, 0);
  const { runs: [run] } = JSON.parse((await ask("the-token-of-the-wall", "/runs")).text);
  assert.deepEqual([run.status, run.submitter], ["queued", "own"]);
  assert.equal((await ask("the-token-of-the-wall", `/runs/${run.id}/cancel`, "POST")).status, 403);
  const again = await ask(own, `/runs/${run.id}/retry`, "POST");
  assert.equal(again.status, 429, again.text);
  assert.ok(Number(again.after) > 0);
  assert.equal((await ask("", "/readyz")).text, "ready\n");
  const { text } = await ask(own, "/metrics");
  for (
    const line of [
      "conveyor_runs_started_total 1",
      'conveyor_runs_open{status="queued"} 1',
      'conveyor_steps_waiting{driver="container-start"} 1',
    ]
  ) assert.ok(text.split("\n").includes(line), `${line}\n${text}`);
  assert.match(text, /^conveyor_build_info\{version="[^"]+",runtime="(bun|deno)"\} 1$/m);
  assert.match(text, /^process_resident_memory_bytes \d{7,}$/m);
  assert.match(up.output(), new RegExp(`info +engine: Run ${run.id} of app started`));
  for (
    const [value, expected] of [
      ["own:read=x", /Invalid name "own".*taken/],
      ["wall:owner=x", /Invalid role "owner".*read, submit, admin/],
      [`a:read=${join(folder.path, "none")}`, /none/],
    ] as const
  ) {
    const refused = await flutterCi([
      "up",
      "--data",
      folder.path,
      "--drivers",
      "none",
      "--token-file",
      value,
    ]);
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, expected);
  }
});
