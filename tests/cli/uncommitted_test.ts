import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { appendFile, chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { openLocalSource } from "../../lib/build/git/local-source.ts";
import { buildRequest } from "../../lib/cli/shared/request/build-request.ts";
import { sayWhatIsBuilt } from "../../lib/cli/shared/request/say-what-is-built.ts";
import { snapshotWorkTree, uncommittedFiles } from "../../lib/cli/shared/request/uncommitted.ts";
import { git, makeRepository } from "./git-repository.ts";
import { temporaryFolder } from "./start-program.ts";

async function uncommitted(
  folder: string,
  { environment = { PATH: process.env.PATH }, own = [] as string[] } = {},
): Promise<string[]> {
  const workTree = snapshotWorkTree(await openLocalSource(folder, { environment }));
  const { signal } = new AbortController();
  return workTree ? (await uncommittedFiles(workTree, { environment, own, signal })).toSorted() : [];
}

test("uncommittedFiles names what is changed, staged, new or deleted, and nothing that is ignored", async () => {
  await using folder = await temporaryFolder();
  makeRepository(folder.path, { "a": "a", "b": "b", "c": "c", "sub/d": "d", ".gitignore": "*.o\n" });
  assert.deepEqual(await uncommitted(folder.path), []);
  await writeFile(join(folder.path, "a"), "changed");
  await writeFile(join(folder.path, "b"), "staged");
  git(folder.path, "add", "b");
  git(folder.path, "rm", "--quiet", "c");
  await writeFile(join(folder.path, "new file"), "new");
  await writeFile(join(folder.path, "x.o"), "ignored");
  await writeFile(join(folder.path, "y"), "excluded");
  await appendFile(join(folder.path, ".git/info/exclude"), "y\n");
  assert.deepEqual(await uncommitted(folder.path), ["a", "b", "c", "new file"]);
  assert.deepEqual(await uncommitted(join(folder.path, "sub")), ["a", "b", "c", "new file"]);
});

test("uncommittedFiles runs nothing of what a repository's configuration names", async () => {
  await using folder = await temporaryFolder();
  const mark = join(folder.path, "MARK");
  const repo = join(folder.path, "repo");
  makeRepository(repo, { "a": "a", ".gitattributes": "* filter=evil diff=evil\n" });
  const evil = join(folder.path, "evil");
  await writeFile(evil, `#!/bin/sh\ntouch ${mark}\ncat\n`);
  await chmod(evil, 0o755);
  const sub = join(repo, "sub");
  makeRepository(sub, { "s": "s" });
  git(repo, "-c", "advice.addEmbeddedRepo=false", "add", "sub");
  git(repo, "commit", "--quiet", "--message", "sub");
  for (const place of [repo, sub]) {
    for (
      const key of [
        "core.fsmonitor",
        "filter.evil.clean",
        "filter.evil.process",
        "core.pager",
        "core.sshCommand",
      ]
    ) {
      git(place, "config", key, evil);
    }
    for (const hook of ["post-index-change", "fsmonitor-watchman", "pre-commit"]) {
      await writeFile(join(place, ".git/hooks", hook), await readFile(evil), { mode: 0o755 });
    }
  }
  await appendFile(join(repo, ".git/config"), `[include]\n\tpath = ${evil}\n`);
  await writeFile(join(repo, "a"), "changed");
  await writeFile(join(sub, "s"), "changed");
  assert.deepEqual(await uncommitted(repo), ["a"]);
  assert.equal(existsSync(mark), false);
});

test("uncommittedFiles looks at the work tree that it is asked about", async () => {
  await using folder = await temporaryFolder();
  const repo = join(folder.path, "repo");
  makeRepository(repo, { "a": "a" });
  git(repo, "worktree", "add", "--quiet", join(folder.path, "linked"), "-b", "other");
  await writeFile(join(folder.path, "linked/only-here"), "x");
  assert.deepEqual(await uncommitted(join(folder.path, "linked")), ["only-here"]);
  assert.deepEqual(await uncommitted(repo), []);
});

test("uncommittedFiles finds nothing in a bare repository, nor without a git in an absolute folder of PATH", async () => {
  await using folder = await temporaryFolder();
  const repo = join(folder.path, "repo");
  makeRepository(repo, { "a": "a" });
  git(folder.path, "clone", "--quiet", "--bare", repo, "bare");
  assert.deepEqual(await uncommitted(join(folder.path, "bare")), []);
  await writeFile(join(repo, "a"), "changed");
  assert.deepEqual(await uncommitted(repo), ["a"]);
  assert.deepEqual(await uncommitted(repo, { environment: { PATH: ".:bin" } }), []);
  await mkdir(join(folder.path, "empty"));
  assert.deepEqual(await uncommitted(repo, { environment: { PATH: join(folder.path, "empty") } }), []);
});

test("uncommittedFiles leaves nothing behind, in the repository or beside it", async () => {
  await using folder = await temporaryFolder();
  await using temporary = await temporaryFolder();
  makeRepository(folder.path, { "a": "a" });
  const index = await readFile(join(folder.path, ".git/index"));
  await writeFile(join(folder.path, "a"), "changed");
  const before = process.env.TMPDIR;
  process.env.TMPDIR = temporary.path;
  try {
    assert.deepEqual(await uncommitted(folder.path), ["a"]);
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
  assert.deepEqual(await readFile(join(folder.path, ".git/index")), index);
  assert.deepEqual(await readdir(temporary.path), []);
});

test("uncommittedFiles compares with the moment of the snapshot", async () => {
  await using folder = await temporaryFolder();
  makeRepository(folder.path, { "a": "a", "b": "b" });
  const environment = { PATH: process.env.PATH };
  const workTree = snapshotWorkTree(await openLocalSource(folder.path, { environment }));
  assert.ok(workTree);
  await writeFile(join(folder.path, "a"), "changed");
  git(folder.path, "commit", "--quiet", "--all", "--message", "meanwhile");
  const { signal } = new AbortController();
  assert.deepEqual(await uncommittedFiles(workTree, { environment, signal }), ["a"]);
  assert.deepEqual(await uncommitted(folder.path), []);
});

test("uncommittedFiles leaves out new files in our own folders, at any depth, and no others", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  makeRepository(folder.path, { "a": "a", "artifacts/kept": "kept" });
  await mkdir(at("out/apk"), { recursive: true });
  await mkdir(at("odd [x]* #"));
  for (const name of ["artifacts/new", "out/apk/app", "odd [x]* #/f"]) await writeFile(at(name), "");
  const own = [at("artifacts"), at("out/apk"), at("odd [x]* #")];
  assert.deepEqual(await uncommitted(folder.path, { own }), []);
  await writeFile(at("artifacts/kept"), "changed");
  await writeFile(at("out/other"), "");
  assert.deepEqual(await uncommitted(folder.path, { own }), ["artifacts/kept", "out/"]);
  assert.deepEqual(await uncommitted(folder.path, { own: [folder.path, "/", dirname(folder.path)] }), [
    "artifacts/kept",
    "artifacts/new",
    "odd [x]* #/",
    "out/",
  ]);
});

test("uncommittedFiles compares as the repository and the user's own git say", async () => {
  await using folder = await temporaryFolder();
  const repo = join(folder.path, "repo");
  makeRepository(repo, { "a": "a" });
  await chmod(join(repo, "a"), 0o755);
  assert.deepEqual(await uncommitted(repo), ["a"]);
  git(repo, "config", "core.fileMode", "false");
  assert.deepEqual(await uncommitted(repo), []);
  await writeFile(join(repo, "note~"), "");
  const environment = { PATH: process.env.PATH, HOME: join(folder.path, "home") };
  await mkdir(environment.HOME);
  await writeFile(join(environment.HOME, "ignored"), "*~\n");
  assert.deepEqual(await uncommitted(repo, { environment }), ["note~"]);
  await writeFile(
    join(environment.HOME, ".gitconfig"),
    `[core]\n\texcludesFile = ${join(environment.HOME, "ignored")}\n`,
  );
  assert.deepEqual(await uncommitted(repo, { environment }), []);
});

test("uncommittedFiles looks into submodules and work trees with a separate git folder when they are built", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  makeRepository(at("library"), { "l": "l" });
  makeRepository(at("app"), { "a": "a" });
  git(at("app"), "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", at("library"), "sub");
  git(at("app"), "commit", "--quiet", "--message", "sub");
  git(folder.path, "clone", "--quiet", "--separate-git-dir", at("elsewhere"), at("library"), "separate");
  for (const name of ["app/sub", "separate"]) {
    assert.deepEqual(await uncommitted(at(name)), [], name);
    await writeFile(at(`${name}/l`), "changed");
    assert.deepEqual(await uncommitted(at(name)), ["l"], name);
  }
  assert.deepEqual(await uncommitted(at("app")), []);
  git(at("app/sub"), "commit", "--quiet", "--all", "--message", "moved");
  assert.deepEqual(await uncommitted(at("app")), ["sub"]);
});

test("a build with submodules says what is not committed in them, but not in one that git has not put there", async () => {
  await using folder = await temporaryFolder();
  const environment = { PATH: process.env.PATH };
  const at = (name: string) => join(folder.path, name);
  const local = ["-c", "protocol.file.allow=always"];
  for (const name of ["inner", "library", "app"]) makeRepository(at(name), { "a": "a" });
  git(at("library"), ...local, "submodule", "--quiet", "add", at("inner"), "inner");
  git(at("library"), "commit", "--quiet", "--message", "inner");
  git(at("app"), ...local, "submodule", "--quiet", "add", at("library"), "sub");
  git(at("app"), "commit", "--quiet", "--message", "sub");
  git(at("app"), ...local, "submodule", "--quiet", "update", "--init", "--recursive");
  await writeFile(at("app/new"), "new");
  await writeFile(at("app/sub/new"), "new");
  await writeFile(at("app/sub/inner/a"), "changed");
  const said = async (options: Partial<Parameters<typeof buildRequest>[0]>) => {
    const flags = { image: "image", ...options } as Parameters<typeof buildRequest>[0];
    const request = await buildRequest(flags, { repository: at("app"), command: ["true"] }, environment);
    using _dirty = request.local?.dirty;
    const notes: string[] = [];
    const looked = Promise.withResolvers<void>();
    const note = (text: string) => {
      notes.push(text);
      if (text.startsWith("warning")) looked.resolve();
    };
    await using _saying = sayWhatIsBuilt(request, { after: Promise.resolve(), environment, own: [], note });
    if (options.dirty !== true) await looked.promise;
    return notes;
  };
  const warning = "warning: Not committed, so not built: new, sub/new, sub/inner/a";
  assert.deepEqual(await said({ submodules: true }), [warning]);
  // The nested one gets a git folder of its own.
  await rm(at("app/sub/inner/.git"));
  git(at("app/sub/inner"), "init", "--quiet");
  assert.deepEqual(await said({ submodules: true }), ["warning: Not committed, so not built: new, sub/new"]);
  assert.deepEqual(await said({ submodules: true, dirty: true }), [
    "Building the working tree as it is: 2 files are not committed",
    "warning: Repositories of their own, built as committed or not at all: sub/inner",
  ]);
  assert.deepEqual(await said({}), ["warning: Not committed, so not built: new"]);
});
