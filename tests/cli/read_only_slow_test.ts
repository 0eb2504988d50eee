import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { runOf } from "../backend/store-conformance/opened.ts";
import { needing } from "../support/needs.ts";
import { noOwnMounts, withOwnMounts } from "../support/own-mounts.ts";
import { root, runtime, startProgram, temporaryFolder } from "./start-program.ts";

const { test } = needing(noOwnMounts);

/** Starts a command where a folder is read-only. */
const onReadOnly = (folder: string) =>
  withOwnMounts('mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"', folder);

test("commands and doctor say that a data folder is read-only, whether it has runs, is empty or is missing", async () => {
  await using folder = await temporaryFolder();
  const [used, empty, missing] = ["used", "empty", "missing"].map((name) => join(folder.path, name));
  assert.ok(used && empty && missing);
  await mkdir(empty, { mode: 0o700 });
  {
    await using embedded = await openEmbedded({ folder: used, scope: "up" });
    const id = "fbab31f6-a278-4a8f-96be-ac49b007ca65";
    await embedded.store.runs.put(id, runOf(id), 0);
  }
  const [unshare = "", ...words] = onReadOnly(folder.path);
  const type = (...line: string[]) =>
    startProgram(unshare, [...words, join(root, "bin/flutter-ci"), ...line], {
      env: { CONVEYOR_RUNTIME: runtime },
    }).ended;
  for (const line of [["runs"], ["show", "last"], ["logs", "last"]]) {
    const { code, stderr } = await type(...line, "--data", used);
    assert.equal(code, 3, stderr);
    assert.ok(
      stderr.startsWith(`error: Cannot use "${used}" as data folder: it is on a read-only file system\n`),
      stderr,
    );
  }
  for (const [data, place] of [[used, "it"], [empty, "it"], [missing, `"${folder.path}"`]] as const) {
    const { code, stdout } = await type("doctor", "--data", data);
    assert.equal(code, 3, stdout);
    const why = `Cannot use "${data}" as data folder: ${place} is on a read-only file system`;
    assert.ok(stdout.startsWith(`FAIL data folder: ${why}\n`), stdout);
  }
});
