import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { GitFolder } from "../../lib/build/git/local/git-folder.ts";
import { lfsArchive } from "../../lib/build/git/local/lfs-archive.ts";
import { findLfsObjects, LFS_ROOM, lfsContent, type LfsRoom } from "../../lib/build/git/local/lfs-objects.ts";
import { resolveCommit } from "../../lib/build/git/local/resolve-commit.ts";
import { openLocalSource } from "../../lib/build/git/local-source.ts";
import { ObjectStore } from "../../lib/build/git/objects/object-store.ts";
import { RECEIVE } from "../../lib/build/git/receive-script.ts";
import { lfsPointer, oidOf, storeLfs } from "../support/lfs.ts";
import { git, receive } from "./received.ts";

interface Scene {
  readonly top: string;
  readonly app: string;
  readonly dotGit: string;
}

/** A repository with these files, committed. */
async function withFiles(
  files: Record<string, string>,
  work: (scene: Scene) => Promise<void>,
): Promise<void> {
  const top = mkdtempSync(join(tmpdir(), "lfs-"));
  try {
    git(top, "init", "-q", "--template=", "app");
    const app = join(top, "app");
    commit(app, files);
    await work({ top, app, dotGit: join(app, ".git") });
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

function commit(folder: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  git(folder, "add", ".");
  git(folder, "commit", "-qm", "files");
}

const makeTree = (folder: string, input: string): string =>
  execFileSync("git", ["-C", folder, "mktree"], { input, encoding: "utf8" }).trim();

const packOf = ({ app, dotGit }: Scene): string =>
  git(app, "verify-pack", "-v", ...globSync(join(dotGit, "objects/pack/*.idx")));

/** Sends a repository. Answers the Git LFS contents that came of it, and what was said. */
async function sent(
  { top }: Scene,
  from: string,
  { below = ".git", ...options }: {
    below?: string;
    sparse?: string[];
    submodules?: boolean;
    meanwhile?: () => void;
  } = {},
): Promise<{ contents: string[]; log: string[] }> {
  const into = mkdtempSync(join(top, "copy-"));
  rmSync(into, { recursive: true });
  const log: string[] = [];
  await receive(from, into, { lfs: true, log, ...options });
  git(into, "fsck", "--strict");
  const objects = join(into, below, "lfs/objects");
  const contents = namesIn(objects).map((name) => {
    const content = readFileSync(join(objects, name), "utf8");
    const oid = oidOf(content);
    assert.equal(name, `${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}`);
    return content;
  });
  return { contents: contents.sort(), log };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1));
  } catch {
    return [];
  }
}

const CHUNK = "c".repeat(1024 * 1024);
const LARGE = `${CHUNK.repeat(2)}and more\n`;
const OTHER_HASH = "Git LFS: not used from this machine, its content has another hash: ";
const NOT_USED =
  "Git LFS: not used from this machine, expected a file of the pointer's size without symbolic links: ";

test("the Git LFS objects that a commit's pointers name are sent, loose or packed, and no others", async () => {
  const files = {
    "a.bin": lfsPointer("a"),
    "below/it/chunk.bin": lfsPointer(CHUNK),
    "below/it/twice.bin": lfsPointer(CHUNK),
    "below/large.bin": lfsPointer(LARGE),
    "missing.bin": lfsPointer("missing"),
    "changed.bin": lfsPointer("before"),
    "text.txt": "not a pointer\n",
    "empty.bin": "",
  };
  await withFiles(files, async (scene) => {
    commit(scene.app, { "changed.bin": lfsPointer("after") });
    assert.deepEqual(await sent(scene, scene.app), { contents: [], log: [] });
    for (const content of ["a", CHUNK, LARGE, "before", "after", "of no pointer"]) {
      storeLfs(scene.dotGit, content);
    }
    const all = { contents: ["a", "after", CHUNK, LARGE], log: [] };
    assert.deepEqual(await sent(scene, scene.app), all);
    git(scene.app, "gc", "-q", "--aggressive", "--prune=now");
    assert.deepEqual(await sent(scene, scene.app), all);
    assert.deepEqual((await sent(scene, scene.app, { sparse: ["below/it"] })).contents, [
      ...["a", "after", CHUNK, LARGE],
    ]);
    assert.deepEqual((await sent(scene, scene.app, { sparse: ["bel"] })).contents, ["a", "after"]);
    git(scene.app, "worktree", "add", "-q", "../linked", "HEAD~1");
    assert.deepEqual(await sent(scene, join(scene.top, "linked")), {
      contents: ["a", "before", CHUNK, LARGE],
      log: [],
    });
  });
});

test("a pointer that git stores as a part of a larger file is read", async () => {
  const contents = Array.from({ length: 10 }, (_, i) => `content ${i}`);
  const files = Object.fromEntries(contents.map((content, i) => [`${i}.bin`, lfsPointer(content)]));
  await withFiles({ ...files, "all.bin": contents.map(lfsPointer).join("") }, async (scene) => {
    git(scene.app, "gc", "-q", "--aggressive", "--prune=now");
    const { deltas } = /^chain length = 1: (?<deltas>\d+) object/m.exec(packOf(scene))?.groups ?? {};
    assert.ok(Number(deltas) > 0, packOf(scene));
    contents.forEach((content) => storeLfs(scene.dotGit, content));
    assert.deepEqual((await sent(scene, scene.app)).contents, [...contents].sort());
  });
});

test("the Git LFS objects of a submodule go into its own git folder", async () => {
  await withFiles({ "a.bin": lfsPointer("a") }, async (scene) => {
    await withFiles({ "b.bin": lfsPointer("b") }, async (module) => {
      const allow = ["-c", "protocol.file.allow=always"];
      git(scene.app, ...allow, "submodule", "--quiet", "add", "--name", "the mo\\dule", module.app, "sub");
      git(scene.app, "commit", "-qm", "submodule");
      storeLfs(scene.dotGit, "a");
      storeLfs(join(scene.dotGit, "modules/the mo\\dule"), "b");
      assert.deepEqual((await sent(scene, scene.app)).contents, ["a"]);
      const below = ".git/modules/the mo\\dule";
      assert.deepEqual((await sent(scene, scene.app, { submodules: true, below })).contents, ["b"]);
    });
  });
});

test("an object of another content or size is not used, with a line about it", async () => {
  const files = { "a.bin": lfsPointer("good"), "b.bin": lfsPointer("right"), "c.bin": lfsPointer("size") };
  await withFiles(files, async (scene) => {
    storeLfs(scene.dotGit, "good");
    storeLfs(scene.dotGit, "right", "wrong");
    storeLfs(scene.dotGit, "size", "sizes");
    assert.deepEqual(await sent(scene, scene.app), {
      contents: ["good"],
      log: [
        `${NOT_USED}${oidOf("size")}`,
        `${OTHER_HASH}${oidOf("right")}`,
      ],
    });
  });
});

test("an object that is replaced, cut off or removed while it is sent is not used", async () => {
  await withFiles({ "a.bin": lfsPointer(CHUNK), "large.bin": lfsPointer(LARGE) }, async (scene) => {
    const { app, dotGit, top } = scene;
    writeFileSync(join(top, "private"), "private");
    for (
      const change of [
        (path: string) => truncateSync(path, 10),
        (path: string) => rmSync(path),
        (path: string) => writeFileSync(path, "x".repeat(2 * LARGE.length)),
      ]
    ) {
      storeLfs(dotGit, CHUNK);
      const path = storeLfs(dotGit, LARGE);
      const meanwhile = () => change(path);
      assert.deepEqual(await sent(scene, app, { meanwhile }), {
        contents: [CHUNK],
        log: [`${OTHER_HASH}${oidOf(LARGE)}`],
      });
    }
    const path = storeLfs(dotGit, LARGE);
    const meanwhile = () => {
      rmSync(path);
      symlinkSync(join(top, "private"), path);
    };
    await assert.rejects(sent(scene, app, { meanwhile }), /expected no symbolic link/);
  });
});

test("no pointer and no file below lfs/objects leads to anything else", async () => {
  const SECRET = "a secret of this user";
  const oid = oidOf(SECRET);
  const pointer = (oid: string, size: number | string) =>
    `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`;
  const files = {
    "up.bin": pointer("../../../../private", SECRET.length),
    "padded.bin": pointer("../../../../private".padEnd(64, "/"), SECRET.length),
    "upper.bin": pointer(oid.toUpperCase(), SECRET.length),
    "huge.bin": pointer(oidOf("huge"), "9".repeat(15)),
    "endless.bin": pointer(oidOf("endless"), "9".repeat(400)),
    "secret.bin": lfsPointer(SECRET),
    "good.bin": lfsPointer("good"),
  };
  await withFiles(files, async (scene) => {
    const { top, dotGit } = scene;
    writeFileSync(join(top, "private"), SECRET);
    writeFileSync(join(dotGit, "private"), SECRET);
    storeLfs(dotGit, "huge");
    storeLfs(dotGit, "endless");
    storeLfs(dotGit, "good");
    const check = async (contents: string[], ...unusable: string[]) => {
      const found = await sent(scene, scene.app);
      assert.deepEqual(found.contents, contents);
      const [line = "", ...more] = found.log;
      assert.deepEqual(more, []);
      assert.deepEqual(line.slice(NOT_USED.length).split(", ").sort(), unusable.sort(), line);
    };
    await check(["good"], oidOf("huge"));
    const path = storeLfs(dotGit, SECRET);
    for (const target of [join(top, "private"), "../../../../private", join(dotGit, "private")]) {
      rmSync(path, { recursive: true, force: true });
      symlinkSync(target, path);
      await check(["good"], oid, oidOf("huge"));
    }
    rmSync(path);
    execFileSync("mkfifo", [path]);
    await check(["good"], oid, oidOf("huge"));
    rmSync(path);
    mkdirSync(path);
    await check(["good"], oid, oidOf("huge"));
    rmSync(path, { recursive: true });
    for (const folder of [dirname(path), dirname(dirname(path)), join(dotGit, "lfs/objects")]) {
      // Inside of the git folder and out of it.
      for (const elsewhere of [join(dotGit, "elsewhere"), join(top, "elsewhere")]) {
        storeLfs(dotGit, SECRET);
        renameSync(folder, elsewhere);
        symlinkSync(elsewhere, folder);
        const isWhole = folder.endsWith("objects");
        await check(isWhole ? [] : ["good"], oid, oidOf("huge"), ...isWhole ? [oidOf("good")] : []);
        rmSync(folder);
        renameSync(elsewhere, folder);
      }
    }
    if (process.getuid?.() !== 0) {
      chmodSync(path, 0);
      await check(["good"], oid, oidOf("huge"));
    }
    rmSync(join(dotGit, "lfs"), { recursive: true });
    execFileSync("mkfifo", [join(dotGit, "lfs")]);
    assert.deepEqual((await sent(scene, scene.app)).contents, []);
  });
});

test("a tree that is in many places, or contains itself, is read once", async () => {
  await withFiles({ "a.bin": lfsPointer("aa") }, async ({ app, dotGit }) => {
    storeLfs(dotGit, "aa");
    const names = Array.from({ length: 10 }, (_, i) => `folder${i}`);
    let tree = git(app, "rev-parse", "HEAD^{tree}");
    for (let level = 0; level < 10; level++) {
      const input = names.map((name) => `040000 tree ${tree}\t${name}\n`).join("");
      tree = makeTree(app, input);
    }
    git(app, "reset", "-q", "--soft", git(app, "commit-tree", "-m", "bomb", tree));
    const most = { reads: 100 };
    assert.equal((await found(app, { ...LFS_ROOM }, most)).objects.length, 1);
    const sparse = ["folder1/folder2", "folder3"];
    assert.equal((await found(app, { ...LFS_ROOM }, { ...most, sparse })).objects.length, 1);

    const entry = Buffer.concat([Buffer.from("40000 again\0"), Buffer.from(tree, "hex")]);
    const bytes = Buffer.concat(Array.from({ length: 20_000 }, () => entry));
    const path = join(dotGit, "objects", tree.slice(0, 2), tree.slice(2));
    rmSync(path);
    writeFileSync(path, deflateSync(Buffer.concat([Buffer.from(`tree ${bytes.length}\0`), bytes])));
    for (const sparse of [[], ["again/again"]]) {
      assert.deepEqual((await found(app, { ...LFS_ROOM }, { ...most, sparse })).objects, []);
    }
  });
});

test("objects are sent up to a number and a size, with a line about the rest", async () => {
  const files = { "a.bin": lfsPointer("aa"), "b.bin": lfsPointer("bb"), "c.bin": lfsPointer("cccc") };
  await withFiles(files, async ({ app, dotGit }) => {
    ["aa", "bb", "cccc"].forEach((content) => storeLfs(dotGit, content));
    for (
      const [room, names, left] of [
        [{ objects: 3, bytes: 8 }, ["aa", "bb", "cccc"], ""],
        [{ objects: 2, bytes: 8 }, ["aa", "bb"], "1 object"],
        [{ objects: 3, bytes: 4 }, ["aa", "bb"], "1 object"],
        [{ objects: 3, bytes: 3 }, ["aa"], "2 objects"],
        [{ objects: 0, bytes: 9 }, [], "3 objects"],
      ] as const
    ) {
      const { objects, notes } = await found(app, { ...room });
      assert.deepEqual(objects.map((object) => Buffer.concat([...lfsContent(object)]).toString()), names);
      const says = `Git LFS: ${left} of this machine not used, beyond 10000 objects or 16.0 GiB`;
      assert.deepEqual(notes, left === "" ? [] : [says]);
    }
  });
});

test("an object of 8 GiB has a header that tar reads", () => {
  const oid = oidOf("large");
  const folder = new GitFolder("/nonexistent");
  const { size, bytes } = lfsArchive([{ oid, size: 8 ** 11, folder, name: "missing" }]);
  assert.equal(size, 512 + 8 ** 11 + 1024);
  const header = bytes().next().value ?? assert.fail();
  const { stdout } = spawnSync("tar", ["-tvf", "-"], { input: header, encoding: "utf8" });
  assert.match(stdout, new RegExp(` 8589934592 .* ${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}\n$`));
});

test("what keeps an object from being written is said", async () => {
  await withFiles({ "a.bin": lfsPointer("aaaa") }, async ({ top, app, dotGit }) => {
    storeLfs(dotGit, "aaaa");
    const source = await openLocalSource(app, { environment: {} });
    using store = new ObjectStore(source);
    const { commit } = resolveCommit(source, undefined) ?? assert.fail();
    const { signal } = new AbortController();
    const part = { source, store, commit };
    const { objects } = await findLfsObjects(part, { sparse: [], room: { ...LFS_ROOM }, signal });
    const { size, bytes } = lfsArchive(objects);
    const run = (name: string, before = "", made = "") => {
      const into = join(top, name);
      mkdirSync(join(into, ".git", made), { recursive: true });
      const script = `${RECEIVE}\nneed_lfs() { :; }\n${before}\nreceive_lfs && cat`;
      const input = Buffer.concat([Buffer.from(`\n${size} .git\n\n`), ...bytes(), Buffer.from("a pack")]);
      const { stdout, stderr, status } = spawnSync("sh", ["-c", script], {
        cwd: into,
        input,
        encoding: "utf8",
      });
      return { stdout, stderr, status, contents: namesIn(join(into, ".git/lfs/objects")) };
    };
    const oid = oidOf("aaaa");
    const path = `${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}`;
    assert.deepEqual(run("good"), { stdout: "a pack", stderr: "", status: 0, contents: [path] });
    const { stderr, status } = run("folder", "", `lfs/objects/${path}/full`);
    assert.match(stderr, /^tar: .*Cannot open: File exists/);
    assert.notEqual(status, 0);
    assert.deepEqual(run("no-tar", 'command() { [ "$2" != tar ]; }'), {
      stdout: "Git LFS: the content on this machine is not used, since the image has no tar\na pack",
      stderr: "",
      status: 0,
      contents: [],
    });
  });
});

/** Fails once more than so many objects have been read. */
async function found(
  app: string,
  room: LfsRoom,
  { reads = Infinity, sparse = [] }: { reads?: number; sparse?: readonly string[] } = {},
) {
  const source = await openLocalSource(app, { environment: {} });
  using store = new ObjectStore(source);
  const { commit } = resolveCommit(source, undefined) ?? assert.fail();
  const read = store.read.bind(store);
  store.read = (id) => {
    assert.ok(reads-- > 0, "too many objects are read");
    return read(id);
  };
  const { signal } = new AbortController();
  return await findLfsObjects({ source, store, commit }, { sparse, room, signal });
}
