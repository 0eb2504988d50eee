import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { StepFailure } from "../../lib/base/errors.ts";
import { localStream } from "../../lib/build/git/local-stream.ts";
import type { BuildPolicy } from "../../lib/build/policy.ts";
import { testPolicy } from "../support/settings.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { git } from "./received.ts";

const { signal } = new AbortController();

/** A repository with one commit on `main`, and what is streamed of it. */
async function repository() {
  const folder = await temporaryFolder();
  const { path } = folder;
  git(path, "init", "-q", "-b", "main", ".");
  git(path, "remote", "add", "origin", "https://me:secret@example.org/app.git");
  writeFileSync(join(path, "a.txt"), "one\n");
  git(path, "add", ".");
  git(path, "commit", "-qm", "one");
  const open = (ref?: string, policy: Partial<BuildPolicy> = {}) =>
    localStream(path, {
      policy: testPolicy(policy),
      spec: { depth: 0, submodules: false, lfs: false, sparse: [], ...ref !== undefined && { ref } },
      signal,
    });
  return {
    path,
    open,
    commit: git(path, "rev-parse", "HEAD"),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
const failureOf = (error: unknown) =>
  error instanceof StepFailure ? `${error.reason}: ${error.message}` : `${error}`;

test("localStream opens a repository at its ref, with where it came from and without the login in it", async () => {
  await using repo = await repository();
  const { ref, origin, stream } = await repo.open("main");
  assert.deepEqual([ref, origin], ["refs/heads/main", "https://example.org/app.git"]);
  const bytes = Buffer.concat(await Array.fromAsync(stream));
  assert.ok(bytes.toString("latin1").startsWith("sha1\nref: refs/heads/main\n"));
  assert.ok(bytes.includes("PACK"));
});

test("localStream takes the commit that was pinned, though the branch has moved since", async () => {
  await using repo = await repository();
  const localCommit = { repository: repo.path, commit: repo.commit, ref: repo.commit };
  git(repo.path, "commit", "-q", "--allow-empty", "-m", "two");
  const { ref, stream } = await repo.open("gone", { localCommit });
  assert.equal(ref, repo.commit);
  assert.ok(
    Buffer.concat(await Array.fromAsync(stream)).toString("latin1").startsWith(`sha1\n${repo.commit}\n`),
  );
  // One that is pinned in another repository is none of this one.
  const other = { ...localCommit, repository: "/another" };
  const failure = await repo.open("gone", { localCommit: other }).catch(failureOf);
  assert.equal(failure, 'ref-not-found: The repository has no branch, tag or commit "gone"');
});

test("localStream says what a repository lacks", async () => {
  await using repo = await repository();
  assert.equal(
    await repo.open("v1").catch(failureOf),
    'ref-not-found: The repository has no branch, tag or commit "v1"',
  );
  git(repo.path, "checkout", "-q", "--orphan", "empty");
  for (const ref of [undefined, "HEAD"]) {
    assert.equal(
      await repo.open(ref).catch(failureOf),
      "ref-not-found: The repository has no commit at its HEAD",
    );
  }
  rmSync(join(repo.path, ".git"), { recursive: true });
  assert.match(`${await repo.open("main").catch(failureOf)}`, /^clone-failed: /);
});

test("a repository that is damaged below what was opened fails its stream as a clone that failed", async () => {
  await using repo = await repository();
  const tree = git(repo.path, "rev-parse", "HEAD^{tree}");
  rmSync(join(repo.path, ".git/objects", tree.slice(0, 2), tree.slice(2)), { force: true });
  const { stream } = await repo.open("main");
  const failure = await Array.fromAsync(stream).then(() => "sent", failureOf);
  assert.match(failure, /^clone-failed: /);
});
