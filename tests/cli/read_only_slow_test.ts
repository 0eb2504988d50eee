import assert from "node:assert/strict";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { OTHER_RUN, publishBatch, RUN, runOf } from "../backend/store-conformance/opened.ts";
import { bytes } from "../backend/transport-conformance/opened.ts";
import { needing } from "../support/needs.ts";
import { noOwnMounts, withOwnMounts } from "../support/own-mounts.ts";
import { root, runtime, startProgram, temporaryFolder } from "./start-program.ts";

const { test } = needing(noOwnMounts);

/** Types flutter-ci where a folder is read-only. */
function typeOnReadOnly(folder: string, ...line: string[]) {
  const script = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"';
  const [command = "", ...words] = [...withOwnMounts(script, folder), join(root, "bin/flutter-ci"), ...line];
  return startProgram(command, words, { env: { CONVEYOR_RUNTIME: runtime } }).ended;
}

/** Opens a data folder that has a run with a log and an artifact. */
async function openUsed(folder: string) {
  const embedded = await openEmbedded({ folder, scope: "up" });
  await embedded.store.runs.put(RUN, runOf(RUN, { outcome: "succeeded", endedAt: 1_700_000_001_000 }), 0);
  await publishBatch(embedded.transport, ["one", "two"]);
  await embedded.transport.putBlob(RUN, "out/app.bin", bytes("content"));
  return embedded;
}

test("runs are read in a data folder that is read-only, whether it was closed, left by a kill or is in use", async () => {
  await using folder = await temporaryFolder();
  const [closed = "", killed = "", used = ""] = ["closed", "killed", "used"].map((name) =>
    join(folder.path, name)
  );
  {
    await using _embedded = await openUsed(closed);
    cpSync(closed, killed, { recursive: true });
  }
  await using _embedded = await openUsed(used);
  for (const data of [closed, killed, used]) {
    await using saved = await temporaryFolder();
    const type = async (...line: string[]) => {
      const { code, stdout, stderr } = await typeOnReadOnly(folder.path, ...line, "--data", data);
      assert.equal(code, 0, `${data} ${line}: ${stderr}`);
      return stdout;
    };
    assert.match(await type("runs"), new RegExp(`\\n${RUN} +succeeded`));
    assert.match(await type("show", "last"), /succeeded[^]*app\.bin/);
    assert.equal(await type("logs", RUN), "one\ntwo\n");
    assert.equal(await type("logs", "-f", RUN), "one\ntwo\n");
    await type("artifacts", "last", "-o", saved.path);
    assert.equal(await readFile(join(saved.path, "out/app.bin"), "utf8"), "content");
  }
});

test("a record that cannot be read is skipped in a data folder that is read-only, and the others are read", async () => {
  await using folder = await temporaryFolder();
  const [closed = "", used = ""] = ["closed", "used"].map((name) => join(folder.path, name));
  for (const data of [closed, used]) {
    await using embedded = await openUsed(data);
    await embedded.store.runs.put(OTHER_RUN, runOf(OTHER_RUN, { outcome: "failed", endedAt: 1 }), 0);
    using database = new DatabaseSync(join(data, "conveyor.db"));
    database.prepare("UPDATE runs SET value = '{' WHERE id = ?").run(OTHER_RUN);
  }
  await using _embedded = await openEmbedded({ folder: used, scope: "up" });
  for (const data of [closed, used]) {
    const type = (...line: string[]) => typeOnReadOnly(folder.path, ...line, "--data", data);
    for (
      const [line, expected] of [[["runs"], new RegExp(`\\n${RUN} +succeeded`)], [
        ["logs", "last"],
        /^one\ntwo\n$/,
      ]] as const
    ) {
      const { code, stdout, stderr } = await type(...line);
      assert.equal(code, 0, stderr);
      assert.match(stdout, expected);
      assert.match(stderr, new RegExp(`Set aside run ${OTHER_RUN}, which cannot be read`));
    }
    const { code, stderr } = await type("show", OTHER_RUN);
    assert.equal(code, 2, stderr);
  }
});

test("cancel says that a data folder is read-only", async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, "data");
  await using embedded = await openEmbedded({ folder: data, scope: RUN });
  await embedded.store.runs.put(RUN, runOf(RUN), 0);
  const { code, stderr } = await typeOnReadOnly(folder.path, "cancel", RUN, "--data", data);
  assert.equal(code, 3, stderr);
  assert.equal(
    stderr,
    `error: Cannot use "${data}" as data folder: it is on a read-only file system
Mount it writable, or name another data folder with --data.
`,
  );
});

test("commands and doctor say that a data folder is read-only, where they have to write or cannot read", async () => {
  await using folder = await temporaryFolder();
  const [closed = "", killed = "", empty = "", missing = ""] = ["closed", "killed", "empty", "missing"].map((
    name,
  ) => join(folder.path, name));
  mkdirSync(empty, { mode: 0o700 });
  {
    await using _embedded = await openUsed(closed);
    cpSync(closed, killed, { recursive: true });
    // Without the index of its log SQLite cannot read a database that it cannot write to.
    rmSync(join(killed, "conveyor.db-shm"));
  }
  const type = (...line: string[]) => typeOnReadOnly(folder.path, ...line);
  const refused = [
    ["retry", RUN, closed],
    ...["runs", "show last", "logs last"].map((line) => [...line.split(" "), killed]),
  ];
  for (const line of refused) {
    const data = line.at(-1) ?? "";
    const { code, stderr } = await type(...line.slice(0, -1), "--data", data);
    assert.equal(code, 3, stderr);
    assert.ok(
      stderr.startsWith(`error: Cannot use "${data}" as data folder: it is on a read-only file system
`),
      stderr,
    );
  }
  for (const [data, place] of [[closed, "it"], [empty, "it"], [missing, `"${folder.path}"`]] as const) {
    const { code, stdout } = await type("doctor", "--data", data);
    assert.equal(code, 3, stdout);
    const why = `Cannot use "${data}" as data folder: ${place} is on a read-only file system`;
    assert.ok(stdout.startsWith(`FAIL data folder: ${why}\n`), stdout);
  }
});
