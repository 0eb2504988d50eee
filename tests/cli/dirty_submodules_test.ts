import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openLocalSource } from "../../lib/build/git/local-source.ts";
import { ObjectStore } from "../../lib/build/git/objects/object-store.ts";
import { modulePaths } from "../../lib/build/git/work-tree/module-paths.ts";
import { commitDirty, type Dirty } from "../../lib/cli/shared/request/dirty.ts";
import { receive } from "../build/received.ts";
import { git, makeRepository } from "./git-repository.ts";
import { temporaryFolder } from "./start-program.ts";

const environment = { PATH: process.env.PATH };
const open = async (folder: string) => await openLocalSource(folder, { environment });

/** Lets git clone from a folder. */
const LOCAL = ["-c", "protocol.file.allow=always"];

/** `app` with the submodule `third party`, which has `deep/inner`; all are checked out. */
async function withSubmodules(top: string): Promise<string> {
  const [inner, lib, app] = ["inner", "lib", "app"].map((name) => join(top, name)) as [
    string,
    string,
    string,
  ];
  for (const repo of [inner, lib, app]) makeRepository(repo, { "file.txt": "committed\n" });
  git(lib, ...LOCAL, "submodule", "--quiet", "add", inner, "deep/inner");
  git(lib, "commit", "--quiet", "--message", "inner");
  git(app, ...LOCAL, "submodule", "--quiet", "add", "--name", "a name", lib, "third party");
  git(app, "commit", "--quiet", "--message", "lib");
  git(app, ...LOCAL, "submodule", "--quiet", "update", "--init", "--recursive");
  await Promise.resolve();
  return app;
}

/** What a build gets of a working tree with its submodules, none of which can be fetched. */
async function built(dirty: Dirty, into: string): Promise<(...path: string[]) => string> {
  await receive("", into, { from: dirty, submodules: true });
  git(into, "-c", "protocol.allow=never", "submodule", "--quiet", "update", "--init", "--recursive");
  return (...path) => readFileSync(join(into, ...path), "utf8");
}

test("commitDirty commits submodules as they are, those within them too", async () => {
  await using folder = await temporaryFolder();
  const app = await withSubmodules(folder.path);
  {
    using dirty = await commitDirty(await open(app), { environment, own: [] });
    assert.equal(dirty.pinned.commit, git(app, "rev-parse", "HEAD").trim());
    assert.deepEqual([dirty.workTree?.changes, dirty.modules, dirty.leftOut], [0, [], []]);
  }
  const lib = join(app, "third party");
  await writeFile(join(lib, "deep/inner/file.txt"), "changed\n");
  await writeFile(join(lib, "new.txt"), "new\n");
  {
    using dirty = await commitDirty(await open(app), { environment, own: [] });
    const names = ["third party", "third party/deep/inner"];
    assert.deepEqual([dirty.workTree?.changes, dirty.modules, dirty.leftOut], [2, names, []]);
    const file = await built(dirty, join(folder.path, "into"));
    assert.equal(file("third party/new.txt"), "new\n");
    assert.equal(file("third party/file.txt"), "committed\n");
    assert.equal(file("third party/deep/inner/file.txt"), "changed\n");
  }
  assert.match(git(app, "status", "--porcelain"), /^ M "third party"$/m);
  // At another commit, with nothing that is not committed.
  git(lib, "add", "new.txt");
  git(lib, "commit", "--quiet", "--message", "new");
  git(join(lib, "deep/inner"), "checkout", "--quiet", "--", ".");
  using dirty = await commitDirty(await open(app), { environment, own: [] });
  assert.deepEqual([dirty.workTree?.changes, dirty.modules, dirty.leftOut], [1, ["third party"], []]);
  const file = await built(dirty, join(folder.path, "again"));
  assert.equal(file("third party/new.txt"), "new\n");
});

test("commitDirty takes no repository for a submodule that is not its own, and names what it leaves out", async () => {
  await using folder = await temporaryFolder();
  const app = await withSubmodules(folder.path);
  const others = join(folder.path, "others");
  makeRepository(others, { "file.txt": "of somebody else\n" });
  await writeFile(join(others, "secret.txt"), "secret\n");
  const head = git(app, "rev-parse", "HEAD:third party").trim();
  const secret = git(others, "hash-object", "secret.txt").trim();
  const kept = git(others, "rev-parse", "HEAD:file.txt").trim();
  const lib = join(app, "third party");
  await rename(lib, join(folder.path, "away"));
  const linkOf = async () => {
    using dirty = await commitDirty(await open(app), { environment, own: [] });
    const { objects = "" } = dirty.workTree ?? {};
    for (const id of [secret, kept]) {
      assert.equal(existsSync(join(objects, id.slice(0, 2), id.slice(2))), false);
    }
    return { tree: entryOf(dirty, "third party"), leftOut: dirty.leftOut, changes: dirty.workTree?.changes };
  };
  const asCommitted = { tree: `160000 commit ${head}`, leftOut: ["third party"], changes: 0 };
  // Another repository, some whose git folder is elsewhere or a link, and a link to one.
  await rename(others, lib);
  assert.deepEqual(await linkOf(), asCommitted);
  await rename(lib, others);
  await mkdir(lib);
  await writeFile(join(lib, ".git"), `gitdir: ${join(others, ".git")}\n`);
  assert.deepEqual(await linkOf(), asCommitted);
  const apart = join(folder.path, "apart");
  git(folder.path, "clone", "--quiet", "--separate-git-dir", apart, others, "with work tree");
  await writeFile(join(lib, ".git"), `gitdir: ${apart}\n`);
  await writeFile(join(lib, "secret.txt"), "secret\n");
  assert.deepEqual(await linkOf(), asCommitted);
  await rm(join(lib, ".git"));
  await symlink(join(others, ".git"), join(lib, ".git"));
  assert.deepEqual(await linkOf(), asCommitted);
  await rm(lib, { recursive: true });
  await symlink(others, lib);
  const target = createHash("sha1").update(`blob ${Buffer.byteLength(others)}\0${others}`).digest("hex");
  assert.deepEqual(await linkOf(), { tree: `120000 blob ${target}`, leftOut: [], changes: 1 });
  // A repository that is only staged as a submodule.
  await rm(lib);
  await rename(join(folder.path, "away"), lib);
  git(app, ...LOCAL, "submodule", "--quiet", "add", others, "new one");
  assert.deepEqual((await linkOf()).leftOut, ["new one"]);
});

/** How the commit of a working tree has a path. */
function entryOf({ source, pinned, workTree }: Dirty, path: string): string {
  const tree = execFileSync("git", ["-C", source.path, "ls-tree", pinned.commit, path], {
    encoding: "utf8",
    env: { ...environment, GIT_ALTERNATE_OBJECT_DIRECTORIES: workTree?.objects },
  });
  return tree.split("\t")[0] ?? "";
}

/** A repository with the submodule `lib`, which has a file that is not committed. */
async function withLib(top: string): Promise<{ app: string; lib: string }> {
  const [app, lib] = [join(top, "app"), join(top, "lib.git")];
  for (const repo of [app, lib]) makeRepository(repo, { "file.txt": "committed\n" });
  git(app, ...LOCAL, "submodule", "--quiet", "add", lib, "lib");
  git(app, "commit", "--quiet", "--message", "lib");
  await writeFile(join(app, "lib/new.txt"), "new\n");
  return { app, lib };
}

async function ofDirty(app: string) {
  using dirty = await commitDirty(await open(app), { environment, own: [] });
  return { changes: dirty.workTree?.changes, modules: dirty.modules, leftOut: dirty.leftOut };
}

test("commitDirty names every submodule that it builds as committed", async () => {
  await using folder = await temporaryFolder();
  const { app, lib } = await withLib(folder.path);
  const cases: [what: string, make: (app: string) => unknown][] = [
    ["its own git folder", async (app) => {
      git(join(app, "lib"), "config", "--unset", "core.worktree");
      await rm(join(app, "lib/.git"));
      await rename(join(app, ".git/modules/lib"), join(app, "lib/.git"));
    }],
    [
      "borrowed objects",
      (app) =>
        writeFile(join(app, ".git/modules/lib/objects/info/alternates"), `${join(lib, ".git/objects")}\n`),
    ],
    ["a partial clone", (app) => git(join(app, "lib"), "config", "extensions.partialClone", "origin")],
    ["refs that are not read here", (app) => {
      git(join(app, "lib"), "config", "extensions.refStorage", "unheard-of");
      git(join(app, "lib"), "config", "core.repositoryFormatVersion", "1");
    }],
    ["nothing in .gitmodules", async (app) => {
      git(app, "rm", "--quiet", "--cached", ".gitmodules");
      git(app, "commit", "--quiet", "--message", "lost");
      await rm(join(app, ".gitmodules"));
    }],
    ["a name that cannot be sent", async (app) => {
      await writeFile(join(app, ".gitmodules"), `[submodule "lib "]\n\tpath = lib\n\turl = ${lib}\n`);
      git(app, "commit", "--quiet", "--all", "--message", "name");
    }],
    ["too many", async (app) => {
      const names = Array.from({ length: 200 }, (_, i) => `a${i}`);
      const id = git(app, "rev-parse", "HEAD:lib").trim();
      const sections = [...names, "lib"].map((name) =>
        `[submodule "${name}"]\n\tpath = ${name}\n\turl = x\n`
      );
      await writeFile(join(app, ".gitmodules"), sections.join(""));
      git(app, "update-index", "--add", ...names.flatMap((name) => ["--cacheinfo", `160000,${id},${name}`]));
      git(app, "add", ".gitmodules");
      git(app, "commit", "--quiet", "--message", "many");
      await Promise.all(names.map((name) => mkdir(join(app, name))));
    }],
  ];
  for (const [i, [what, make]] of cases.entries()) {
    const copy = join(folder.path, String(i));
    await cp(app, copy, { recursive: true });
    await make(copy);
    assert.deepEqual(await ofDirty(copy), { changes: 0, modules: [], leftOut: ["lib"] }, what);
  }
});

test("commitDirty builds without a submodule whose first checkout was interrupted, and names it", async () => {
  await using folder = await temporaryFolder();
  const { app } = await withLib(folder.path);
  await rm(join(app, "lib/new.txt"));
  await rm(join(app, "lib/file.txt"));
  const module = join(app, ".git/modules/lib");
  await rm(join(module, "index"));
  assert.deepEqual((await ofDirty(app)).leftOut, ["lib"]);
  await writeFile(join(module, "HEAD"), "ref: refs/heads/unborn\n");
  assert.deepEqual(await ofDirty(app), { changes: 0, modules: [], leftOut: ["lib"] });
});

test("commitDirty takes the submodules of a linked work tree from where git has put them", async () => {
  await using folder = await temporaryFolder();
  const { app } = await withLib(folder.path);
  const linked = join(folder.path, "linked");
  git(app, "worktree", "add", "--quiet", linked);
  assert.deepEqual(await ofDirty(linked), { changes: 0, modules: [], leftOut: [] });
  git(linked, ...LOCAL, "submodule", "--quiet", "update", "--init");
  await writeFile(join(linked, "lib/only-here.txt"), "here\n");
  git(join(linked, "lib"), "add", "--all");
  git(join(linked, "lib"), "commit", "--quiet", "--message", "here");
  await writeFile(join(linked, "lib/file.txt"), "changed\n");
  using dirty = await commitDirty(await open(linked), { environment, own: [] });
  assert.deepEqual([dirty.workTree?.changes, dirty.modules, dirty.leftOut], [1, ["lib"], []]);
  const file = await built(dirty, join(folder.path, "into"));
  assert.equal(file("lib/only-here.txt"), "here\n");
  assert.equal(file("lib/file.txt"), "changed\n");
});

test("commitDirty builds without a submodule that is no longer one", async () => {
  const cases: [what: string, change: (app: string) => unknown, rest: string[]][] = [
    ["removed", (app) => git(app, "rm", "--quiet", "--force", "lib"), []],
    ["removed, with an empty folder", async (app) => {
      git(app, "rm", "--quiet", "--force", "lib");
      await mkdir(join(app, "lib"));
    }, []],
    ["moved", (app) => git(app, "mv", "lib", "moved"), ["moved"]],
    ["deleted by hand", (app) => rm(join(app, "lib"), { recursive: true }), []],
    ["no longer tracked", async (app) => {
      git(app, "rm", "--quiet", "--cached", "lib");
      await writeFile(join(app, ".gitmodules"), "");
    }, ["lib/"]],
    ["no longer tracked, and ignored", async (app) => {
      git(app, "rm", "--quiet", "--cached", "lib");
      await writeFile(join(app, ".gitmodules"), "");
      await writeFile(join(app, ".git/info/exclude"), "lib\n");
    }, ["lib"]],
    ["a folder with files", async (app) => {
      git(app, "rm", "--quiet", "--force", "lib");
      await mkdir(join(app, "lib"));
      await writeFile(join(app, "lib/file.txt"), "a file\n");
    }, []],
  ];
  await using folder = await temporaryFolder();
  const { app } = await withLib(folder.path);
  for (const [i, [what, change, rest]] of cases.entries()) {
    const copy = join(folder.path, String(i));
    await cp(app, copy, { recursive: true });
    await change(copy);
    using dirty = await commitDirty(await open(copy), { environment, own: [] });
    assert.deepEqual(dirty.leftOut, rest, what);
    assert.match(entryOf(dirty, "lib"), what === "a folder with files" ? /^040000 tree / : /^$/, what);
    // git refuses a submodule without a URL.
    const file = await built(dirty, join(folder.path, `into ${i}`));
    assert.equal(file("file.txt"), "committed\n");
  }
});

test("commitDirty keeps a submodule that is not checked out", async () => {
  await using folder = await temporaryFolder();
  const { app } = await withLib(folder.path);
  git(app, "submodule", "--quiet", "deinit", "--force", "lib");
  assert.deepEqual(await ofDirty(app), { changes: 0, modules: [], leftOut: [] });
});

test("modulePaths finds submodules at any depth, and refuses a tree that repeats itself for ever", async () => {
  await using folder = await temporaryFolder();
  makeRepository(folder.path, { "a": "a\n" });
  using store = new ObjectStore(await open(folder.path));
  const commit = git(folder.path, "rev-parse", "HEAD").trim();
  const treeOf = (...lines: string[]) =>
    execFileSync("git", ["-C", folder.path, "mktree", "--missing"], {
      input: lines.map((line) => `${line}\n`).join(""),
      encoding: "utf8",
    }).trim();
  const repeated = (tree: string, depth: number): string =>
    depth === 0
      ? tree
      : repeated(treeOf(...["a", "b", "c", "d"].map((name) => `040000 tree ${tree}\t${name}`)), depth - 1);
  const link = treeOf(`160000 commit ${commit}\tsub`);
  assert.deepEqual(modulePaths(store, repeated(link, 1)), ["a/sub", "b/sub", "c/sub", "d/sub"]);
  assert.deepEqual(modulePaths(store, repeated(treeOf(), 20)), []);
  assert.throws(() => modulePaths(store, repeated(link, 20)), /^InputError: .* more than 10000 submodules$/);
});
