import assert from "node:assert/strict";
import { chmod, lstat, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { saveArtifacts } from "../../lib/cli/shared/save-artifacts.ts";
import { temporaryFolder } from "./start-program.ts";

const LARGE = 1024 * 1024;

async function* piece(fill: string, length: number): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield Buffer.alloc(length, fill);
}

test("saveArtifacts copies large files by the file system, with their times and their bits less the umask, over what was there", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "out");
  await mkdir(out);
  await writeFile(join(folder.path, "outside"), "mine");
  await symlink(join(folder.path, "outside"), join(out, "run"));
  await writeFile(join(out, "secret"), "old", { mode: 0o644 });
  await using embedded = await openEmbedded({ folder: join(folder.path, "data"), scope: "up" });
  const { transport, store: { artifacts } } = embedded;
  const modes = { run: 0o777, secret: 0o600, read: 0o444, small: 0o755 };
  for (const [name, mode] of Object.entries(modes)) {
    await transport.putBlob("run", name, piece(name[0] ?? "", name === "small" ? 1 : LARGE), {
      mode,
      ...name !== "secret" && { mtime: 1e9 },
    });
  }
  const copied: string[] = [];
  const counting = {
    list: artifacts.list,
    open: artifacts.open,
    copyTo: (run: string, name: string, path: string) => {
      copied.push(name);
      return artifacts.copyTo?.(run, name, path) ?? Promise.resolve(false);
    },
  };
  const before = process.umask(0o022);
  try {
    for (const _ of [1, 2]) assert.equal(await saveArtifacts(counting, "run", out), 4);
  } finally {
    process.umask(before);
  }
  assert.deepEqual(copied.toSorted(), ["read", "read", "run", "run", "secret", "secret"]);
  const bits = async (name: string) => ((await lstat(join(out, name))).mode & 0o7777).toString(8);
  assert.deepEqual(
    await Promise.all(Object.keys(modes).map(bits)),
    ["755", "600", "444", "755"],
  );
  const isOld = async (name: string) => (await lstat(join(out, name))).mtimeMs === 1e12;
  assert.deepEqual(await Promise.all(Object.keys(modes).map(isOld)), [true, false, true, true]);
  assert.ok((await lstat(join(out, "run"))).isFile());
  assert.equal(await readFile(join(out, "run"), "utf8"), "r".repeat(LARGE));
  assert.equal(await readFile(join(folder.path, "outside"), "utf8"), "mine");
  assert.deepEqual((await readdir(out)).toSorted(), ["read", "run", "secret", "small"]);

  // What a user does to a file must not reach the store.
  await chmod(join(out, "secret"), 0o600);
  await writeFile(join(out, "secret"), "edited");
  const stored = await Array.fromAsync(await artifacts.open("run", "secret") ?? []);
  assert.equal(Buffer.concat(stored).toString(), "s".repeat(LARGE));
});

test("saveArtifacts leaves nothing of a large file that cannot be copied", async () => {
  await using folder = await temporaryFolder();
  const large = { name: "large", size: LARGE, sha256: "", mode: 0o644 };
  const open = () => Promise.resolve(undefined);
  const failing = async (_: string, __: string, path: string) => {
    await writeFile(path, "half");
    throw new Error("the disk is full");
  };
  const list = () => Promise.resolve([large]);
  await assert.rejects(
    saveArtifacts({ list, open, copyTo: failing }, "run", folder.path),
    /Cannot save the artifact "large" in .*: the disk is full$/,
  );
  await assert.rejects(
    saveArtifacts({ list, open, copyTo: () => Promise.resolve(false) }, "run", folder.path),
    /"large".*: it is not there any more$/,
  );
  assert.deepEqual(await readdir(folder.path), []);
});
