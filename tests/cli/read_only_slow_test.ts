import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { getuid } from "node:process";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { runOf } from "../backend/store-conformance/opened.ts";
import { root, runtime, startProgram, temporaryFolder } from "./start-program.ts";

/** A command line that runs a command where a folder is read-only, for that command alone. */
const onReadOnly = (folder: string) => [
  "unshare",
  "--mount",
  ...(getuid?.() === 0 ? [] : ["--map-root-user"]),
  "sh",
  "-ec",
  `mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; exec "$@"`,
  folder,
];
const [command = "", ...args] = onReadOnly("/mnt");
const skip = spawnSync(command, [...args, "true"]).status === 0
  ? false
  : "no mount of our own can be made here (root or user namespaces)";

test("commands and doctor say that a data folder is read-only, whether it has runs, is empty or is missing", {
  skip,
}, async () => {
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
