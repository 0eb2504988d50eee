import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { InputError } from "../../lib/base/errors.ts";
import { resolveCommit } from "../../lib/build/git/local/resolve-commit.ts";
import { openLocalSource } from "../../lib/build/git/local-source.ts";
import { OFFSET_DELTA, packDistance, packHeader, TYPES } from "../../lib/build/git/objects/format.ts";
import { type CraftedObject, craftPack } from "./craft-pack.ts";
import { git, objectsIn, reachable, receive } from "./received.ts";

/** A repository with two commits and a tag, in a folder that goes with the test. */
function withRepository(
  work: (folder: string, top: string) => Promise<void>,
  ...init: string[]
): () => Promise<void> {
  return async () => {
    const top = mkdtempSync(join(tmpdir(), "source-"));
    try {
      const folder = join(top, "app");
      git(top, "init", "-q", ...init, "app");
      commit(folder, "one");
      git(folder, "tag", "v1");
      commit(folder, "two");
      await work(folder, top);
    } finally {
      rmSync(top, { recursive: true, force: true });
    }
  };
}

/** A commit that changes a file in a folder. */
function commit(folder: string, text: string): string {
  mkdirSync(join(folder, "src"), { recursive: true });
  writeFileSync(join(folder, "src", "a.txt"), `${text}\n`);
  git(folder, "add", ".");
  git(folder, "commit", "-qm", text);
  return git(folder, "rev-parse", "HEAD");
}

/** Many commits of one file, as quick as git can make them. */
function importHistory(folder: string, count: number, textOf: (i: number) => string): void {
  const commits = Array.from({ length: count }, (_, i) => {
    const text = textOf(i);
    const from = i === 0 ? "from refs/heads/main^0\n" : "";
    return `commit refs/heads/main\ncommitter T <t@example.org> ${
      1_700_000_000 + i
    } +0000\ndata 1\n.\n${from}` +
      `M 644 inline src/a.txt\ndata ${Buffer.byteLength(text)}\n${text}\n`;
  });
  execFileSync("git", ["-C", folder, "fast-import", "--quiet"], { input: commits.join("") });
  git(folder, "reset", "-q", "--hard");
}

/** What was received, with the whole repository found to be sound. */
async function copyOf(
  folder: string,
  top: string,
  options?: { ref?: string; depth?: number; meanwhile?: () => void },
): Promise<{ path: string; commit: string }> {
  const path = mkdtempSync(join(top, "copy-"));
  rmSync(path, { recursive: true });
  const commit = await receive(folder, path, options);
  git(path, "fsck", "--strict");
  const [oid, ...changes] = git(path, "status", "--porcelain=v2", "--branch").split("\n")
    .filter((line) => !/^# branch\.(?!oid)/.test(line));
  assert.deepEqual([oid, ...changes], [`# branch.oid ${commit}`]);
  return { path, commit };
}

const source = (path: string) => openLocalSource(path, { environment: {} });

test(
  "sourceStream sends loose objects and a branch by its name",
  withRepository(async (folder, top) => {
    const { path, commit } = await copyOf(folder, top);
    assert.equal(commit, git(folder, "rev-parse", "HEAD"));
    assert.equal(git(path, "rev-parse", "--symbolic-full-name", "HEAD"), "refs/heads/main");
    assert.equal(readFileSync(join(path, "src", "a.txt"), "utf8"), "two\n");
  }),
);

test(
  "sourceStream sends packed objects and packed refs, from a folder below the top",
  withRepository(async (folder, top) => {
    git(folder, "gc", "-q");
    assert.equal((await copyOf(join(folder, "src"), top)).commit, git(folder, "rev-parse", "HEAD"));
  }),
);

test(
  "sourceStream sends the HEAD of a linked work tree, a submodule, a separate git folder, a bare and a shallow repository",
  withRepository(async (folder, top) => {
    const head = git(folder, "rev-parse", "HEAD");
    git(folder, "worktree", "add", "-q", join(top, "tree"), "-b", "side", "v1");
    assert.equal((await copyOf(join(top, "tree"), top)).commit, git(folder, "rev-parse", "v1"));
    git(top, "clone", "-q", "--separate-git-dir", join(top, "elsewhere"), "app", "separate");
    git(top, "clone", "-q", "--bare", "app", "bare.git");
    git(top, "clone", "-q", "--depth", "1", `file://${folder}`, "shallow");
    git(join(top, "shallow"), "checkout", "-q", "--detach");
    git(top, "clone", "-q", "--filter=blob:none", `file://${folder}`, "partial");
    git(top, "clone", "-q", "app", "outer");
    const outer = join(top, "outer");
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", folder, "inner");
    for (const name of ["separate", "bare.git", "shallow", "partial", "outer/inner"]) {
      assert.equal((await copyOf(join(top, name), top, { depth: 0 })).commit, head, name);
    }
  }),
);

test(
  "sourceStream sends what a repository borrows from another of the same user",
  withRepository(async (folder, top) => {
    git(top, "clone", "-q", "--shared", "app", "borrower");
    git(top, "clone", "-q", "--shared", "borrower", "second");
    assert.equal((await copyOf(join(top, "second"), top)).commit, git(folder, "rev-parse", "HEAD"));
  }),
);

test(
  "sourceStream sends a repository whose objects are named by SHA-256",
  withRepository(async (folder, top) => {
    for (const name of ["loose", "packed"]) {
      const { path, commit } = await copyOf(folder, top, { ref: "refs/heads/main", depth: 0 });
      assert.match(commit, /^[0-9a-f]{64}$/);
      assert.equal(git(path, "rev-parse", "--show-object-format"), "sha256", name);
      git(folder, "gc", "-q");
    }
  }, "--object-format=sha256"),
);

test(
  "sourceStream sends exactly what the commit reaches within the depth: nothing staged, stashed, on other branches or older",
  withRepository(async (folder, top) => {
    writeFileSync(join(folder, ".env"), "SECRET=staged");
    git(folder, "add", "-f", ".env");
    git(folder, "rm", "-q", "--cached", ".env");
    writeFileSync(join(folder, "src", "a.txt"), "stashed");
    git(folder, "stash");
    git(folder, "checkout", "-q", "-b", "other");
    commit(folder, "other");
    git(folder, "tag", "-a", "-m", "other", "other-tag");
    git(folder, "checkout", "-q", "main");
    commit(folder, "three");
    for (const packed of [false, true]) {
      if (packed) git(folder, "repack", "-qadf");
      for (const depth of [1, 2, 0]) {
        const { path } = await copyOf(folder, top, { depth });
        const wanted = git(folder, "rev-list", "main", ...depth === 0 ? [] : ["-n", String(depth)]).split(
          "\n",
        );
        const objects = wanted.flatMap((id) => [id, ...reachable(folder, `${id}^{tree}`)]);
        assert.deepEqual(objectsIn(path), [...new Set(objects)].sort(), `${packed} ${depth}`);
        assert.deepEqual(git(path, "rev-list", "HEAD").split("\n"), wanted);
        assert.equal(git(path, "for-each-ref", "--format=%(refname)").includes("other"), false);
        assert.equal(git(path, "rev-parse", "--is-shallow-repository"), String(depth !== 0));
      }
    }
    const whole = await copyOf(folder, top, { ref: "v1", depth: 1 });
    assert.equal(git(whole.path, "rev-parse", "--is-shallow-repository"), "false");
    git(folder, "fsck");
  }),
);

test(
  "sourceStream brings the tags and branches of what it sends, so that git describe works",
  withRepository(async (folder, top) => {
    git(folder, "tag", "-a", "-m", "v2", "v2");
    git(folder, "tag", "-a", "-m", "nested", "nested", "v2");
    git(folder, "tag", "tree", "HEAD^{tree}");
    git(folder, "branch", "feature", "v1");
    git(folder, "update-ref", "refs/remotes/origin/main", "v1");
    const head = commit(folder, "three");
    // What git leaves beside a ref that it was about to change when it was killed.
    const leftOver = join(folder, ".git", "refs", "heads", "feature.lock");
    writeFileSync(leftOver, `${head}\n`);
    for (const name of ["loose", "packed"]) {
      const all = await copyOf(folder, top, { depth: 0, ref: head });
      rmSync(leftOver, { force: true });
      assert.match(git(all.path, "describe", "--tags"), /^nested-1-g|^v2-1-g/, name);
      assert.equal(git(all.path, "rev-parse", "v2^{tag}"), git(folder, "rev-parse", "v2"));
      const refs = git(all.path, "for-each-ref", "--format=%(refname)").split("\n");
      assert.deepEqual(refs, [
        "refs/heads/feature",
        "refs/heads/main",
        "refs/remotes/origin/main",
        "refs/tags/nested",
        "refs/tags/v1",
        "refs/tags/v2",
      ]);
      const tagged = await copyOf(folder, top, { ref: "v2" });
      assert.equal(git(tagged.path, "describe"), git(folder, "describe", "v2"));
      git(folder, "gc", "-q");
    }
  }),
);

test(
  "sourceStream reads every form of pack: deltas by offset and by id, chains, several packs, an old index, large files",
  withRepository(async (folder, top) => {
    const lines = Array.from({ length: 300 }, (_, i) => `line ${i} of a file that hardly changes`);
    importHistory(folder, 20, (i) => {
      lines[i * 10] = `changed in ${i}`;
      return lines.join("\n");
    });
    writeFileSync(join(folder, "large"), Buffer.alloc(4_500_000, "0123456789abcdef\n"));
    commit(folder, "large");
    const wanted = reachable(folder, "main");
    const older = git(folder, "rev-parse", "main~6");
    const kinds: Record<string, string[]> = {
      "loose": [],
      "by offset": ["repack", "-qadf", "--depth=50"],
      "by id": ["-c", "repack.useDeltaBaseOffset=false", "repack", "-qadf", "--depth=50"],
      "old index": ["-c", "pack.indexVersion=1", "repack", "-qadf"],
      "many packs": ["-c", "pack.packSizeLimit=1m", "repack", "-qadf"],
    };
    for (const [name, words] of Object.entries(kinds)) {
      if (words.length > 0) git(folder, ...words);
      const all = await copyOf(folder, top, { depth: 0 });
      assert.deepEqual(objectsIn(all.path), wanted, name);
      const { path } = await copyOf(folder, top, { ref: older, depth: 2 });
      assert.equal(readFileSync(join(path, "src", "a.txt"), "utf8").endsWith(lines.at(-1) ?? ""), true, name);
    }
  }),
);

test(
  "sourceStream sends deltas nearer to their bases where a pack has other objects between them",
  withRepository(async (folder, top) => {
    const random = (name: string) =>
      Buffer.concat(
        Array.from({ length: 5 }, (_, i) => createHash("sha256").update(`${name} ${i}`).digest()),
      );
    const store = (text: Buffer) =>
      execFileSync("git", ["-C", folder, "hash-object", "-w", "--stdin"], { input: text, encoding: "utf8" })
        .trim();
    const whole = (text: Buffer) => ({
      id: store(text),
      header: packHeader(TYPES.blob, text.length),
      data: text,
    });
    const first = random("first");
    const objects = [whole(first)];
    const sizeOf = ({ header, data }: CraftedObject) => header.length + deflateSync(data).length;
    for (let i = 1; i <= 8; i++) {
      objects.push(whole(random(`unsent ${i}`)));
      // Every other one begins with the first object, and the rest with the one of before.
      const base = i % 2 === 0 ? 0 : objects.length - 2;
      const from = base === 0 ? first : Buffer.concat([first, Buffer.from(`${i - 1}`)]);
      const text = Buffer.concat([first, Buffer.from(`${i}`)]);
      const size = (length: number) => [0x80 | (length & 0x7f), length >> 7];
      const data = Buffer.from([
        ...[...size(from.length), ...size(text.length)],
        ...[0x90, first.length, 1, text.at(-1) ?? 0],
      ]);
      const distance = objects.slice(base).reduce((sum, object) => sum + sizeOf(object), 0);
      const header = Buffer.concat([packHeader(OFFSET_DELTA, data.length), packDistance(distance)]);
      objects.push({ id: store(text), header, data });
      writeFileSync(join(folder, `${i}.bin`), text);
    }
    writeFileSync(join(folder, "first.bin"), first);
    git(folder, "add", ".");
    git(folder, "commit", "-qm", "blobs");
    craftPack(join(folder, ".git"), objects);
    git(folder, "prune-packed");
    assert.deepEqual(objectsIn((await copyOf(folder, top, { depth: 0 })).path), reachable(folder, "main"));
  }),
);

test(
  "sourceStream goes on where git packs and prunes what is being sent",
  withRepository(async (folder, top) => {
    for (let i = 0; i < 3; i++) {
      const repack = () => git(folder, "repack", "-qad", ...i === 2 ? ["-f", "--depth=1"] : []);
      const { path } = await copyOf(folder, top, {
        depth: 0,
        meanwhile: () => {
          repack();
          git(folder, "prune-packed");
        },
      });
      assert.deepEqual(objectsIn(path), reachable(folder, "main"));
    }
  }),
);

test(
  "resolveCommit takes the names that git takes",
  withRepository(async (folder) => {
    const head = git(folder, "rev-parse", "HEAD");
    const v1 = git(folder, "rev-parse", "v1");
    git(folder, "tag", "-a", "-m", "annotated", "v2");
    git(folder, "branch", "fix/one", "v1");
    git(folder, "branch", "same", "v1");
    git(folder, "tag", "same", "v1");
    git(folder, "update-ref", "refs/pull/7/head", "v1");
    git(folder, "update-ref", "refs/remotes/origin/topic", "v1");
    git(folder, "update-ref", "refs/remotes/origin/main", head);
    git(folder, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main");
    git(folder, "update-ref", "ORIG_HEAD", "v1");
    const names: [string | undefined, string, string][] = [
      [undefined, head, "refs/heads/main"],
      ["HEAD", head, "refs/heads/main"],
      ["main", head, "refs/heads/main"],
      ["heads/main", head, "refs/heads/main"],
      ["refs/heads/main", head, "refs/heads/main"],
      ["v1", v1, "refs/tags/v1"],
      ["tags/v1", v1, "refs/tags/v1"],
      ["refs/tags/v1", v1, "refs/tags/v1"],
      ["v2", head, "refs/tags/v2"],
      ["fix/one", v1, "refs/heads/fix/one"],
      ["same", v1, "refs/heads/same"],
      ["refs/pull/7/head", v1, "refs/pull/7/head"],
      ["pull/7/head", v1, "refs/pull/7/head"],
      ["origin/topic", v1, "refs/remotes/origin/topic"],
      ["origin", head, "refs/remotes/origin/HEAD"],
      ["ORIG_HEAD", v1, "ORIG_HEAD"],
      [v1, v1, ""],
      [v1.slice(0, 7), v1, ""],
      [v1.slice(0, 7).toUpperCase(), v1, ""],
      [git(folder, "rev-parse", "v2").slice(0, 8), head, ""],
    ];
    for (const state of ["loose", "packed"]) {
      const opened = await source(folder);
      for (const [name, commit, ref] of names) {
        assert.deepEqual(resolveCommit(opened, name), { commit, ref }, `${state} ${name}`);
        const byGit = git(
          folder,
          "rev-parse",
          `${name?.toLowerCase() === v1.slice(0, 7) ? v1 : name ?? "HEAD"}^{commit}`,
        );
        assert.equal(byGit, commit, `git: ${name}`);
      }
      for (
        const absent of ["no-such", "topic", "refs/heads/no", "0123abcd", "0".repeat(40), "main/below", "v1^"]
      ) {
        assert.equal(resolveCommit(opened, absent), undefined, absent);
      }
      git(folder, "pack-refs", "--all", "--prune");
      git(folder, "gc", "-q");
    }
    git(folder, "checkout", "-q", "--detach", "v1");
    assert.deepEqual(resolveCommit(await source(folder), undefined), { commit: v1, ref: "HEAD" });
    git(folder, "checkout", "-q", "--orphan", "unborn");
    assert.equal(resolveCommit(await source(folder), "HEAD"), undefined);
  }),
);

test(
  "names that are not UTF-8 are taken, or said to be in the way of this runtime",
  withRepository(async (folder, top) => {
    const name = "caf\\351";
    const bytes = (command: string) =>
      execFileSync("sh", ["-c", command.replaceAll("NAME", `"$(printf '${name}')"`)], { cwd: folder });
    bytes("echo text >NAME; git add . ; git -c user.name=T -c user.email=t@example.org commit -qm bytes");
    bytes("git checkout -q -b NAME; git tag NAME");
    const head = git(folder, "rev-parse", "HEAD");
    const opened = await source(folder);
    if ("bun" in process.versions) assert.equal(resolveCommit(opened, undefined)?.commit, head);
    else {assert.throws(() =>
        resolveCommit(opened, undefined), refusal(/its name is not UTF-8.*git pack-refs --all/));}
    git(folder, "pack-refs", "--all");
    const { path, commit } = await copyOf(folder, top, { depth: 0 });
    assert.equal(commit, head);
    assert.equal(git(path, "ls-files", "caf*"), '"caf\\351"');
    assert.match(git(path, "for-each-ref", "--format=%(refname)", "refs/tags"), /refs\/tags\/caf/);
  }),
);

test(
  "resolveCommit refuses a name of two commits, and one of no commit",
  withRepository(async (folder) => {
    git(folder, "tag", "main", "v1");
    git(folder, "tag", "tree", "HEAD^{tree}");
    const opened = await source(folder);
    assert.throws(() => resolveCommit(opened, "main"), refusal(/"refs\/heads\/main", "refs\/tags\/main"/));
    assert.throws(() => resolveCommit(opened, "tree"), refusal(/names a tree: expected a commit/));
  }),
);

test(
  "resolveCommit never takes an older packed value for a ref that is damaged or cannot be read",
  withRepository(async (folder) => {
    git(folder, "pack-refs", "--all");
    const ref = join(folder, ".git", "refs", "heads", "main");
    for (
      const text of ["", "garbage", "ref: HEAD", "ref: /etc/passwd", `${"a".repeat(39)}\n`, "a".repeat(9000)]
    ) {
      writeFileSync(ref, text);
      const opened = await source(folder);
      assert.throws(() => resolveCommit(opened, undefined), refusal(/refs\/heads\/main"/), text.slice(0, 20));
    }
    rmSync(ref);
    symlinkSync("loop", join(folder, ".git", "refs", "heads", "loop"));
    symlinkSync("loop", ref);
    const opened = await source(folder);
    assert.throws(() => resolveCommit(opened, undefined), refusal(/too many links/));
  }),
);

test(
  "a symbolic ref may be a link, and links within the git folder are followed",
  withRepository(async (folder, top) => {
    const head = git(folder, "rev-parse", "HEAD");
    rmSync(join(folder, ".git", "HEAD"));
    symlinkSync("refs/heads/main", join(folder, ".git", "HEAD"));
    execFileSync("mv", [join(folder, ".git", "objects"), join(folder, ".git", "store")]);
    symlinkSync("store", join(folder, ".git", "objects"));
    const { path, commit } = await copyOf(folder, top, { depth: 0 });
    assert.equal(commit, head);
    assert.equal(git(path, "rev-parse", "--symbolic-full-name", "HEAD"), "refs/heads/main");
  }),
);

test(
  "replacements and grafts are not looked at",
  withRepository(async (folder, top) => {
    git(folder, "replace", "HEAD", "v1");
    writeFileSync(join(folder, ".git", "info", "grafts"), `${git(folder, "rev-parse", "HEAD")}\n`);
    const { path } = await copyOf(folder, top, { depth: 0 });
    assert.equal(readFileSync(join(path, "src", "a.txt"), "utf8"), "two\n");
    assert.equal(git(path, "rev-list", "--count", "HEAD"), "2");
    assert.equal(git(path, "for-each-ref", "refs/replace"), "");
  }),
);

test(
  "openLocalSource refuses what it cannot read, with the reason",
  withRepository(async (folder, top) => {
    await assert.rejects(source(join(top, "nothing")), /does not exist/);
    await assert.rejects(source(join(folder, "src", "a.txt")), /is not a folder/);
    await assert.rejects(source(top), refusal(/not in a git repository/));
    const config = (text: string) => writeFileSync(join(folder, ".git", "config"), text);
    const format = "[core]\n\trepositoryFormatVersion = 1\n[extensions]\n";
    config(`${format}\trefStorage = reftable\n`);
    await assert.rejects(source(folder), refusal(/"reftable"; expected files/));
    config(`${format}\tunheardOf = true\n`);
    await assert.rejects(source(folder), refusal(/the extension "unheardof"/));
    config(`${format}\tobjectFormat = md5\n`);
    await assert.rejects(source(folder), refusal(/"md5"; expected sha1 or sha256/));
    config("[core]\n\trepositoryFormatVersion = 2\n");
    await assert.rejects(source(folder), refusal(/version 2/));
  }),
);

test(
  "a partial clone is built as far as its objects are here, else refused with the reason",
  withRepository(async (folder, top) => {
    git(folder, "config", "uploadpack.allowFilter", "true");
    git(top, "clone", "-q", "--filter=blob:none", `file://${folder}`, "partial");
    assert.equal((await copyOf(join(top, "partial"), top)).commit, git(folder, "rev-parse", "HEAD"));
    await assert.rejects(copyOf(join(top, "partial"), top, { ref: "v1" }), refusal(/partial clone/));
  }),
);

function refusal(message: RegExp) {
  return (error: Error) => {
    assert.ok(error instanceof InputError, String(error.stack));
    assert.match(error.message, message);
    return true;
  };
}
