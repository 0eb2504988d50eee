import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openLocalSource } from "../../lib/build/git/local-source.ts";
import { ownFolders } from "../../lib/cli/shared/request/local-request.ts";
import { buildRequest } from "../../lib/cli/shared/request/build-request.ts";
import { commitDirty } from "../../lib/cli/shared/request/dirty.ts";
import { git, makeRepository } from "./git-repository.ts";
import { temporaryFolder } from "./start-program.ts";

const environment = { PATH: process.env.PATH };
const open = async (folder: string) => await openLocalSource(folder, { environment });

/** Everything that can happen to a file. */
async function change(repo: string): Promise<void> {
  const at = (name: string) => join(repo, name);
  await writeFile(at("changed"), "now\n");
  await rm(at("gone"));
  await chmod(at("script"), 0o755);
  await mkdir(at("new/deep"), { recursive: true });
  await writeFile(at("new/deep/ä b"), "new\n");
  await writeFile(at("new/x.o"), "ignored\n");
  await symlink("/etc/hostname", at("link"));
  await rm(at("was-file"));
  await mkdir(at("was-file"));
  await writeFile(at("was-file/a"), "a\n");
  await rm(at("was-folder"), { recursive: true });
  await writeFile(at("was-folder"), "file\n");
  await rename(at("moved"), at("elsewhere"));
  await symlink("elsewhere", at("moved"));
  // Larger than what is read in one piece.
  await writeFile(at("large"), Buffer.alloc(3 * 1024 * 1024 + 5, "large\n"));
  await writeFile(at("staged"), "staged\n");
  git(repo, "add", "staged");
  await writeFile(at("staged"), "and changed again\n");
}

const FILES = {
  "changed": "before\n",
  "gone": "gone\n",
  "script": "#!/bin/sh\n",
  "same/a": "same\n",
  "was-file": "file\n",
  "was-folder/b": "b\n",
  "moved/c": "c\n",
  ".gitignore": "*.o\n",
};

test("commitDirty makes the tree that git would make of all that it does not ignore", async () => {
  for (const format of ["sha1", "sha256"]) {
    await using folder = await temporaryFolder();
    const repo = join(folder.path, "repo");
    await mkdir(repo);
    git(repo, "init", "--quiet", "--initial-branch=main", `--object-format=${format}`);
    makeRepository(repo, FILES);
    await change(repo);
    await cp(repo, join(folder.path, "copy"), { recursive: true, verbatimSymlinks: true });
    const before = git(repo, "status", "--porcelain");
    await mkdir(join(repo, "artifacts"));
    await writeFile(join(repo, "artifacts/ours"), "");
    using dirty = await commitDirty(await open(repo), { environment, own: [] });
    const { objects = "" } = dirty.workTree ?? {};
    const look = (...words: string[]) =>
      execFileSync("git", ["-C", repo, ...words], {
        encoding: "utf8",
        env: { ...environment, GIT_ALTERNATE_OBJECT_DIRECTORIES: objects },
      }).trim();
    git(join(folder.path, "copy"), "add", "--all");
    const expected = git(join(folder.path, "copy"), "write-tree").trim();
    assert.equal(look("rev-parse", `${dirty.pinned.commit}^{tree}`), expected, format);
    assert.equal(look("rev-parse", `${dirty.pinned.commit}^`), git(repo, "rev-parse", "HEAD").trim());
    look("fsck", "--strict", dirty.pinned.commit);
    assert.equal(dirty.pinned.ref, "refs/heads/main");
    await rm(join(repo, "artifacts"), { recursive: true });
    // The repository itself is as it was, and the same files give the same commit.
    assert.equal(git(repo, "status", "--porcelain"), before);
    using again = await commitDirty(await open(repo), { environment, own: [] });
    assert.equal(again.pinned.commit, dirty.pinned.commit);
    again[Symbol.dispose]();
    assert.equal(existsSync(again.workTree?.objects ?? ""), false);
  }
});

test("commitDirty runs nothing of the repository, and follows no link out of it", async () => {
  await using folder = await temporaryFolder();
  const repo = join(folder.path, "repo");
  makeRepository(repo, { "a": "a\n", "dir/b": "b\n", ".gitattributes": "* filter=evil\n" });
  const mark = join(folder.path, "MARK");
  const evil = join(folder.path, "evil");
  await writeFile(evil, `#!/bin/sh\ntouch ${mark}\ncat\n`);
  await chmod(evil, 0o755);
  for (const key of ["core.fsmonitor", "filter.evil.clean", "filter.evil.process", "core.hooksPath"]) {
    git(repo, "config", key, key === "core.hooksPath" ? folder.path : evil);
  }
  await rename(evil, join(folder.path, "post-index-change"));
  await cp(join(folder.path, "post-index-change"), evil);
  await writeFile(join(repo, "a"), "changed\n");
  await rm(join(repo, "dir"), { recursive: true });
  await mkdir(join(folder.path, "outside"));
  await writeFile(join(folder.path, "outside/b"), "secret of somebody\n");
  await symlink(join(folder.path, "outside"), join(repo, "dir"));
  using dirty = await commitDirty(await open(repo), { environment, own: [] });
  assert.equal(existsSync(mark), false);
  const tree = execFileSync("git", ["-C", repo, "ls-tree", "-r", dirty.pinned.commit], {
    encoding: "utf8",
    env: { ...environment, GIT_ALTERNATE_OBJECT_DIRECTORIES: dirty.workTree?.objects },
  });
  assert.match(tree, /^120000 blob [0-9a-f]+\tdir$/m);
  assert.doesNotMatch(tree, /dir\/b/);
});

test("commitDirty leaves out other repositories, and is the commit itself where nothing is changed", async () => {
  await using folder = await temporaryFolder();
  makeRepository(folder.path, { "a": "a\n" });
  makeRepository(join(folder.path, "nested"), { "n": "n\n" });
  using dirty = await commitDirty(await open(folder.path), { environment, own: [] });
  assert.equal(dirty.pinned.commit, git(folder.path, "rev-parse", "HEAD").trim());
  assert.deepEqual([dirty.workTree?.changes, dirty.leftOut], [0, ["nested/"]]);
  assert.deepEqual(await readdir(dirty.workTree?.objects ?? ""), []);
});

test("commitDirty refuses what has no working tree or no commit, and says what to do without git", async () => {
  await using folder = await temporaryFolder();
  const [empty, bare] = [join(folder.path, "empty"), join(folder.path, "bare.git")];
  for (const [path, flag] of [[empty, "--quiet"], [bare, "--bare"]] as const) {
    await mkdir(path);
    git(path, "init", "--quiet", flag);
    const expected = /^InputError: --dirty: Cannot build the working tree of .* expected a working tree/;
    await assert.rejects(commitDirty(await open(path), { environment, own: [] }), expected);
  }
  const full = join(folder.path, "full");
  makeRepository(full, { "a": "a\n" });
  await assert.rejects(
    commitDirty(await open(full), { environment: { PATH: folder.path }, own: [] }),
    /^UnavailableError: --dirty: .* there is no git on this machine/,
  );
});

test("a working tree whose build is refused leaves no copy", async () => {
  await using folder = await temporaryFolder();
  const cases: [text: string, flags: object, why: RegExp][] = [
    ["{ broken", {}, /cannot be read as JSON or YAML/],
    ["resource: flutter-builder\nspec: { ref: main }\n", {}, /cannot choose it/],
    ["resource: flutter-builder\nspec: { image: a, workdir: /x }\n", {}, /spec\.workdir/],
    ["resource: flutter-builder\nspec: { image: a }\n", { secret: ["NOWHERE"] }, /NOWHERE/],
  ];
  // A copy is removed at the latest when the program ends.
  const copies = () => process.listenerCount("exit");
  const before = copies();
  for (const [i, [text, flags, why]] of cases.entries()) {
    const repository = join(folder.path, String(i));
    makeRepository(repository, { ".conveyor.yaml": text });
    const options = { dirty: true, ...flags } as Parameters<typeof buildRequest>[0];
    await assert.rejects(buildRequest(options, { repository, command: undefined }, environment), why);
    assert.equal(copies(), before, text);
  }
  const repository = join(folder.path, "good");
  makeRepository(repository, {
    ".conveyor.yaml": "resource: flutter-builder\nspec: { image: a, commands: [b] }\n",
  });
  const options = { dirty: true } as Parameters<typeof buildRequest>[0];
  const { local } = await buildRequest(options, { repository, command: undefined }, environment);
  assert.equal(copies(), before + 1);
  local?.dirty?.[Symbol.dispose]();
  assert.equal(copies(), before);
});

test("neither the output folder nor the data folder belongs to a working tree, also where no flag names it", () => {
  const environment = { HOME: "/home/me", XDG_STATE_HOME: "/home/me/state" };
  assert.deepEqual(ownFolders({ output: "out" }, environment), ["out", "/home/me/state/flutter-ci"]);
  assert.deepEqual(ownFolders({ data: "/data" }, environment), ["/data"]);
});
