import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { git, receive } from "./received.ts";

const FORMATS = ["sha1", "sha256"];

/** A new repository with one commit of one file. */
function repository(top: string, name: string, format: string): string {
  const folder = join(top, name);
  mkdirSync(folder);
  git(folder, "init", "-q", `--object-format=${format}`);
  return commit(folder, name);
}

function commit(folder: string, text: string): string {
  writeFileSync(join(folder, "file.txt"), `${text}\n`);
  git(folder, "add", ".");
  git(folder, "commit", "-qm", text);
  return git(folder, "rev-parse", "HEAD");
}

function addSubmodule(folder: string, url: string, path: string, ...flags: string[]): void {
  git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", ...flags, url, path);
  git(folder, "commit", "-qm", `add ${path}`);
}

/** Does what the clone script does, where no submodule may come from anywhere. */
function update(folder: string, ...flags: string[]): void {
  git(
    folder,
    ...["-c", "protocol.allow=never", "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"],
    ...flags,
  );
}

const fileIn = (...path: string[]): string => readFileSync(join(...path, "file.txt"), "utf8");

test("the submodules of a local repository come from its own git folder, those within them too", async () => {
  for (const format of FORMATS) {
    await using top = await temporaryFolder();
    for (const name of ["inner", "lib"]) repository(top.path, name, format);
    commit(join(top.path, "lib"), "older");
    commit(join(top.path, "lib"), "lib");
    addSubmodule(join(top.path, "lib"), "../inner", "deep/inner");
    const app = join(top.path, "app");
    repository(top.path, "app", format);
    addSubmodule(app, "../lib", "third party", "--name", "a name/of it");
    git(app, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive");
    const into = join(top.path, "received");
    const built = await receive(app, into, { submodules: true });
    update(into);
    assert.equal(git(into, "rev-parse", "HEAD"), built);
    assert.equal(fileIn(into, "third party"), "lib\n");
    assert.equal(fileIn(into, "third party", "deep", "inner"), "inner\n");
    assert.match(
      git(into, "submodule", "status", "--recursive"),
      /^ ?[0-9a-f]+ third party[\s\S]* third party\/deep\/inner/,
    );
    // As deep as was asked for, and sound.
    assert.equal(git(join(into, "third party"), "rev-list", "--count", "HEAD"), "1");
    git(into, "fsck", "--strict");
    git(join(into, "third party"), "fsck");
  }
});

test("a submodule whose commit does not lie here is left to its URL, and so is one with objects of somebody else", async () => {
  await using top = await temporaryFolder();
  repository(top.path, "lib", "sha1");
  const app = join(top.path, "app");
  repository(top.path, "app", "sha1");
  addSubmodule(app, "../lib", "one");
  addSubmodule(app, "../lib", "two");
  const missing = "1".repeat(40);
  git(app, "update-index", "--cacheinfo", `160000,${missing},one`);
  git(app, "commit", "-qm", "newer than what is here");
  writeFileSync(
    join(app, ".git/modules/two/objects/info/alternates"),
    `${join(top.path, "lib/.git/objects")}\n`,
  );
  const into = join(top.path, "received");
  await receive(app, into, { submodules: true });
  for (const path of ["one", "two"]) {
    assert.throws(() => update(into, "--", path), /transport 'file' not allowed|not allowed/);
  }
});

test("no name of a submodule leads out of the folder for them", async () => {
  await using top = await temporaryFolder();
  const lib = repository(top.path, "lib", "sha1");
  const app = join(top.path, "app");
  repository(top.path, "app", "sha1");
  git(app, "fetch", "-q", "../lib");
  git(app, "update-index", "--add", "--cacheinfo", `160000,${lib},lib`);
  // Where these lead there is a git folder with that very commit.
  const names = ["..", "../../.git", "a/../..", "./..", "a/", "/a", "a//b", "a ", "a\\nb", "."];
  for (const name of names) {
    writeFileSync(join(app, ".gitmodules"), `[submodule "${name}"]\n\tpath = lib\n\turl = ../lib\n`);
    git(app, "add", ".gitmodules");
    git(app, "commit", "-qm", name);
    const into = join(top.path, `received-${names.indexOf(name)}`);
    await receive(app, into, { submodules: true });
    assert.throws(() => readFileSync(join(into, ".git/modules")), /ENOENT/, name);
    assert.doesNotMatch(readFileSync(join(into, ".git/config"), "utf8"), /alternates|worktree/, name);
  }
});
