import assert from "node:assert/strict";
import { lstat, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { ArtifactReader } from "../../lib/backend/store.ts";
import { UnavailableError } from "../../lib/base/errors.ts";
import { saveArtifacts } from "../../lib/cli/run/save-artifacts.ts";
import { temporaryFolder } from "./start-program.ts";

/** A store that has these artifacts, and may break while one is read. */
function store(files: Readonly<Record<string, string>>, broken?: string): ArtifactReader {
  return {
    list: () => Promise.resolve(Object.keys(files).map((name) => ({ name, size: 1, sha256: "" }))),
    async open(_, name) {
      await Promise.resolve();
      return (async function* () {
        yield new TextEncoder().encode(files[name] ?? "");
        await Promise.resolve();
        if (name === broken) throw new Error("the disk is gone");
      })();
    },
  };
}

test("saveArtifacts writes files under their names, in folders it makes, and over what was there", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "a/b");
  await mkdir(out, { recursive: true });
  await writeFile(join(out, "old"), "old");
  await writeFile(join(out, "other"), "other");
  const count = await saveArtifacts(store({ "old": "new", "deep/er/file": "text" }), "run", out);
  assert.equal(count, 2);
  assert.equal(await readFile(join(out, "old"), "utf8"), "new");
  assert.equal(await readFile(join(out, "deep/er/file"), "utf8"), "text");
  assert.deepEqual((await readdir(out)).toSorted(), ["deep", "old", "other"]);
});

test("saveArtifacts makes no folder for nothing", async () => {
  await using folder = await temporaryFolder();
  assert.equal(await saveArtifacts(store({}), "run", join(folder.path, "out")), 0);
  assert.deepEqual(await readdir(folder.path), []);
});

test("saveArtifacts refuses names that lead out of the folder", async () => {
  await using folder = await temporaryFolder();
  for (const name of ["../x", "a/../../x", "/x", "a//x", "./x", "", "..", "x/"]) {
    const saving = saveArtifacts(store({ [name]: "x" }), "run", join(folder.path, "out"));
    await assert.rejects(saving, UnavailableError, JSON.stringify(name));
  }
  assert.deepEqual(await readdir(folder.path), []);
});

test("saveArtifacts writes through no symbolic link, neither of a folder nor of a file", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "out");
  const outside = join(folder.path, "outside");
  await mkdir(out);
  await mkdir(outside);
  await writeFile(join(outside, "file"), "mine");
  await symlink(outside, join(out, "linked"));
  await symlink(join(outside, "file"), join(out, "file"));
  await assert.rejects(
    saveArtifacts(store({ "linked/x": "theirs" }), "run", out),
    /"linked\/x".*is not a folder/,
  );
  await saveArtifacts(store({ "file": "theirs" }), "run", out);
  assert.deepEqual(await readdir(outside), ["file"]);
  assert.equal(await readFile(join(outside, "file"), "utf8"), "mine");
  assert.equal((await lstat(join(out, "file"))).isFile(), true);
});

test("saveArtifacts is not led astray by a link that a repository has put in the place of a relative folder", async () => {
  await using folder = await temporaryFolder();
  const before = process.cwd();
  await mkdir(join(folder.path, "repo"));
  await mkdir(join(folder.path, "home"));
  await symlink(join(folder.path, "home"), join(folder.path, "repo/artifacts"));
  process.chdir(join(folder.path, "repo"));
  try {
    await assert.rejects(saveArtifacts(store({ x: "x" }), "run", "artifacts"), UnavailableError);
    await assert.rejects(saveArtifacts(store({ x: "x" }), "run", "./artifacts/sub"), UnavailableError);
    assert.equal(await saveArtifacts(store({ x: "x" }), "run", "../fine/out"), 1);
  } finally {
    process.chdir(before);
  }
  assert.deepEqual(await readdir(join(folder.path, "home")), []);
  assert.deepEqual(await readdir(join(folder.path, "fine/out")), ["x"]);
});

test("saveArtifacts leaves no half of a file, and says where the whole one is", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "out");
  await assert.rejects(saveArtifacts(store({ a: "a", b: "b" }, "b"), "the-run", out), (error: unknown) => {
    assert.ok(error instanceof UnavailableError);
    assert.match(error.message, /Cannot save the artifact "b" in ".*out": the disk is gone/);
    assert.match(error.hint ?? "", /the-run/);
    return true;
  });
  assert.deepEqual(await readdir(out), ["a"]);
});
