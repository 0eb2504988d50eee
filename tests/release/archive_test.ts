import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { type Entry, writeArchive } from "../../scripts/releases/archive.ts";
import { temporaryFolder } from "../cli/start-program.ts";

test("an archive holds the same as .tar.gz, .tar.zst and .tar.xz, whatever the order of its entries", async () => {
  await using folder = await temporaryFolder();
  const entries: Entry[] = [
    { name: "a/b", text: "text\n", mode: 0o755 },
    { name: "a/c", link: "b" },
    { name: "a/", folder: true, mode: 0o755 },
    { name: "a/d", bytes: new Uint8Array([1, 2]) },
  ];
  const at = (name: string) => join(folder.path, name);
  const time = 1_800_000_000;
  await writeArchive(at("one.tar.gz"), "tar.gz", entries, { time });
  await writeArchive(at("two.tar.gz"), "tar.gz", entries.toReversed(), { time });
  await writeArchive(at("one.tar.zst"), "tar.zst", entries, { time });
  await writeArchive(at("one.tar.xz"), "tar.xz", entries, { time });
  await writeArchive(at("x86.tar.xz"), "tar.xz", entries, { time, isX86: true });
  const [one, two, zst] = await Promise.all(
    ["one.tar.gz", "two.tar.gz", "one.tar.zst"].map((name) => readFile(at(name))),
  );
  assert.ok(one && two && zst);
  assert.deepEqual(one, two);
  assert.deepEqual(gunzipSync(one), zstdDecompressSync(zst));
  for (const name of ["one.tar.xz", "x86.tar.xz"]) {
    const { stdout } = spawnSync("xz", ["-dc", at(name)]);
    assert.deepEqual(gunzipSync(one), stdout, name);
  }
  assert.deepEqual((await readdir(folder.path)).toSorted(), [
    "one.tar.gz",
    "one.tar.xz",
    "one.tar.zst",
    "two.tar.gz",
    "x86.tar.xz",
  ]);
});
