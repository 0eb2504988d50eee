import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { appendFile, chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openLocalSource } from "../../lib/build/git/local-source.ts";
import { uncommittedFiles } from "../../lib/cli/run/uncommitted.ts";
import { git, makeRepository } from "./git-repository.ts";
import { temporaryFolder } from "./start-program.ts";

async function uncommitted(folder: string, PATH = process.env.PATH): Promise<string[]> {
  const source = await openLocalSource(folder);
  const { signal } = new AbortController();
  return (await uncommittedFiles(source, { environment: { PATH }, signal })).toSorted();
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
  assert.deepEqual(await uncommitted(repo, ".:bin"), []);
  await mkdir(join(folder.path, "empty"));
  assert.deepEqual(await uncommitted(repo, join(folder.path, "empty")), []);
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
