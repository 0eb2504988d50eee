import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { extract } from "tar-stream";
import { InputError } from "../../lib/base/errors.ts";
import { openLocalSource } from "../../lib/build/git/local-source.ts";
import { sourceArchive } from "../../lib/build/git/source-archive.ts";

const HOME = { HOME: "/nonexistent", GIT_CONFIG_NOSYSTEM: "1", PATH: process.env.PATH ?? "" };

function git(folder: string, ...args: string[]): string {
  const who = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"];
  return execFileSync("git", ["-C", folder, ...who, ...args], { encoding: "utf8", env: HOME, stdio: "pipe" })
    .trim();
}

/** A repository with two commits and a tag, in a folder that goes with the test. */
function withRepository(work: (folder: string, top: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const top = mkdtempSync(join(tmpdir(), "source-"));
    try {
      const folder = join(top, "app");
      git(top, "init", "-q", "app");
      writeFileSync(join(folder, "a.txt"), "one");
      git(folder, "add", ".");
      git(folder, "commit", "-qm", "one");
      git(folder, "tag", "v1");
      git(folder, "commit", "-qm", "two", "--allow-empty");
      await work(folder, top);
    } finally {
      rmSync(top, { recursive: true, force: true });
    }
  };
}

/** Packs up what is at `folder`, clones from the archive elsewhere, and answers what HEAD is there. */
async function headOfCopy(folder: string, top: string, ref?: string): Promise<string> {
  const source = await openLocalSource(folder);
  const archive = sourceArchive(source, "copy.git", new AbortController().signal);
  const file = join(top, "copy.tar");
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk);
  writeFileSync(file, Buffer.concat(chunks));
  execFileSync("tar", ["-C", top, "-xf", file]);
  const branch = ref === undefined ? [] : ["--branch", ref];
  git(top, "clone", "-q", ...branch, `file://${top}/copy.git`, "clone");
  return git(join(top, "clone"), "rev-parse", "HEAD");
}

test(
  "sourceArchive carries loose objects, refs and tags",
  withRepository(async (folder, top) => {
    assert.equal(await headOfCopy(folder, top, "v1"), git(folder, "rev-parse", "v1"));
  }),
);

test(
  "sourceArchive carries packed objects and packed refs, from a folder below the top",
  withRepository(async (folder, top) => {
    git(folder, "gc", "-q");
    execFileSync("mkdir", [join(folder, "below")]);
    assert.equal(await headOfCopy(join(folder, "below"), top), git(folder, "rev-parse", "HEAD"));
  }),
);

test(
  "sourceArchive of a linked work tree has that tree's HEAD",
  withRepository(async (folder, top) => {
    git(folder, "worktree", "add", "-q", join(top, "tree"), "-b", "side", "v1");
    assert.equal(await headOfCopy(join(top, "tree"), top), git(folder, "rev-parse", "v1"));
  }),
);

test(
  "sourceArchive carries the objects that a repository borrows",
  withRepository(async (folder, top) => {
    git(top, "clone", "-q", "--shared", "app", "borrower");
    assert.equal(await headOfCopy(join(top, "borrower"), top), git(folder, "rev-parse", "HEAD"));
  }),
);

test(
  "sourceArchive carries a shallow clone and a detached HEAD",
  withRepository(async (folder, top) => {
    git(top, "clone", "-q", "--depth", "1", `file://${folder}`, "shallow");
    git(join(top, "shallow"), "checkout", "-q", "--detach");
    assert.equal(await headOfCopy(join(top, "shallow"), top), git(folder, "rev-parse", "HEAD"));
  }),
);

test(
  "sourceArchive carries a bare repository",
  withRepository(async (folder, top) => {
    git(top, "clone", "-q", "--bare", "app", "bare.git");
    assert.equal(await headOfCopy(join(top, "bare.git"), top), git(folder, "rev-parse", "HEAD"));
  }),
);

test(
  "sourceArchive leaves hooks, configuration and the index behind",
  withRepository(async (folder) => {
    writeFileSync(join(folder, ".git", "hooks", "post-checkout"), "#!/bin/sh\ntouch /tmp/owned\n", {
      mode: 0o755,
    });
    git(folder, "config", "core.fsmonitor", "touch /tmp/owned");
    const entries = extract();
    const names: string[] = [];
    const texts: string[] = [];
    const archive = sourceArchive(await openLocalSource(folder), "copy.git", new AbortController().signal);
    const reading = (async () => {
      for await (const entry of entries) {
        names.push(entry.header.name);
        const chunks: Uint8Array[] = [];
        for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
        if (entry.header.name.endsWith("config")) texts.push(Buffer.concat(chunks).toString());
      }
    })();
    await pipeline(archive, entries as unknown as NodeJS.WritableStream);
    await reading;
    assert.ok(names.includes("copy.git/HEAD"));
    assert.deepEqual(names.filter((name) => /hooks|index|logs|description/.test(name)), []);
    assert.doesNotMatch(texts.join(), /fsmonitor/);
  }),
);

test(
  "openLocalSource refuses what cannot be packed up, with the reason",
  withRepository(async (folder, top) => {
    await assert.rejects(openLocalSource(join(top, "nothing")), /does not exist/);
    await assert.rejects(openLocalSource(join(folder, "a.txt")), /is not a folder/);
    await assert.rejects(
      openLocalSource(top),
      (error) => error instanceof InputError && /not in a git repository/.test(error.message),
    );
    git(folder, "config", "uploadpack.allowFilter", "true");
    git(top, "clone", "-q", "--filter=blob:none", `file://${folder}`, "partial");
    await assert.rejects(openLocalSource(join(top, "partial")), /partial clone/);
  }),
);
