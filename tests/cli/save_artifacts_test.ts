import assert from "node:assert/strict";
import { lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { UnavailableError } from "../../lib/base/errors.ts";
import { saveArtifacts, type SavedFrom } from "../../lib/cli/shared/save-artifacts.ts";
import { temporaryFolder } from "./start-program.ts";

/** A store that has these artifacts, and may break while one is read. */
function store(
  files: Readonly<Record<string, string>>,
  { broken, modes = {}, links = {} }: {
    broken?: string;
    modes?: Readonly<Record<string, number>>;
    links?: Readonly<Record<string, string>>;
  } = {},
): SavedFrom {
  return {
    list: () =>
      Promise.resolve(
        Object.keys(files).map((name) => ({
          name,
          size: 1,
          sha256: "",
          mode: modes[name] ?? 0o644,
          link: links[name],
        })),
      ),
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
  await assert.rejects(
    saveArtifacts(store({ a: "a", b: "b" }, { broken: "b" }), "the-run", out),
    (error: unknown) => {
      assert.ok(error instanceof UnavailableError);
      assert.match(error.message, /Cannot save the artifact "b" in ".*out": the disk is gone/);
      assert.match(error.hint ?? "", /the-run/);
      return true;
    },
  );
  assert.deepEqual(await readdir(out), ["a"]);
});

test("saveArtifacts names a folder that is in the place of a file, and leaves it and nothing else there", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "out");
  await mkdir(join(out, "x/y"), { recursive: true });
  await assert.rejects(
    saveArtifacts(store({ x: "3" }), "run", out),
    /artifact "x".*"[^"]*out\/x" is a folder$/,
  );
  assert.deepEqual((await readdir(out, { recursive: true })).toSorted(), ["x", "x/y"]);
});

test("saveArtifacts names a file that is in the place of a folder", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "out");
  await mkdir(out);
  await writeFile(join(out, "x"), "mine");
  await assert.rejects(saveArtifacts(store({ "x/y": "3" }), "run", out), /"[^"]*out\/x" is not a folder/);
  assert.deepEqual(await readdir(out), ["x"]);
});

test("saveArtifacts keeps permission bits, less the umask, also over a file that had others", async () => {
  await using folder = await temporaryFolder();
  const before = process.umask(0o022);
  const modes = { run: 0o755, secret: 0o600, read: 0o444, open: 0o777, old: 0o755 };
  const files = { run: "r", secret: "s", read: "r", open: "o", old: "o", usual: "u" };
  try {
    await writeFile(join(folder.path, "old"), "old", { mode: 0o600 });
    for (const _ of [1, 2]) await saveArtifacts(store(files, { modes }), "run", folder.path);
  } finally {
    process.umask(before);
  }
  const saved: Record<string, string> = {};
  for (const name of Object.keys(files)) {
    saved[name] = ((await lstat(join(folder.path, name))).mode & 0o7777).toString(8);
  }
  assert.deepEqual(saved, { run: "755", secret: "600", read: "444", open: "755", old: "755", usual: "644" });
});

test("saveArtifacts saves many files in many folders", async () => {
  await using folder = await temporaryFolder();
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`d${i % 7}/e${i % 3}/f${i}`, `${i}`]),
  );
  assert.equal(await saveArtifacts(store(files), "run", folder.path), 300);
  for (const [name, text] of Object.entries(files)) {
    assert.equal(await readFile(join(folder.path, name), "utf8"), text);
  }
});

test("saveArtifacts makes links to files of the set, relative, over what was there, and no link to anything else", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "out");
  await mkdir(out);
  await writeFile(join(out, "lib.so"), "old");
  await writeFile(join(folder.path, "secret"), "secret");
  const files = {
    "lib.so": "1",
    "lib/lib.so.1": "1",
    "lib/deep/again": "1",
    "out": "2",
    "twice": "3",
    "itself": "4",
    "up": "5",
    "lib/LIB.so.1": "1",
  };
  const links = {
    "lib.so": "lib/lib.so.1",
    "lib/deep/again": "lib/lib.so.1",
    "out": "../secret",
    "twice": "lib.so",
    "itself": "itself",
    "up": "..",
    // One name with its file on some file systems, where a link would take its place.
    "lib/LIB.so.1": "lib/lib.so.1",
  };
  for (const _ of [1, 2]) assert.equal(await saveArtifacts(store(files, { links }), "run", out), 8);
  assert.equal(await readlink(join(out, "lib.so")), "lib/lib.so.1");
  assert.equal(await readlink(join(out, "lib/deep/again")), "../lib.so.1");
  for (const name of ["out", "twice", "itself", "up", "lib/lib.so.1", "lib/LIB.so.1"] as const) {
    assert.ok((await lstat(join(out, name))).isFile(), name);
    assert.equal(await readFile(join(out, name), "utf8"), files[name]);
  }
  await mkdir(join(out, "link"));
  const over = store({ "link": "1", "twice": "1" }, { links: { "link": "twice" } });
  await assert.rejects(saveArtifacts(over, "run", out), /"[^"]*out\/link" is a folder/);
  assert.deepEqual((await readdir(out)).filter((name) => name.endsWith(".part")), []);
});
