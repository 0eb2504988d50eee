import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { needing } from "../support/needs.ts";
import { objectsOfRun } from "../support/step-context.ts";
import { linesOf, project, runIdOf } from "./run-project.ts";
import { flutterCi } from "./start-program.ts";

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

test("run ends with the command that shows it again", async () => {
  await using at = await project();
  const { stdout } = await at.run("-c", "echo made", "-a", "hello.txt");
  const [, words = ""] = /\nShow it again: flutter-ci (show .*)\n$/.exec(stdout) ?? [];
  const shown = await flutterCi(words.split(" "), { cwd: at.path });
  assert.match(shown.stdout, /\nstatus +succeeded\n/);
  assert.match(shown.stdout, /\nhello\.txt +6 B\n/);
});
