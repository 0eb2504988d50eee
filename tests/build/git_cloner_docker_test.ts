import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { containerStart } from "../../drivers/container-start.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import type { Docker, OutputChunk } from "../../lib/docker/docker.ts";
import { testDocker } from "../support/step-context.ts";
import { testPolicy } from "../support/settings.ts";
import { build, repository } from "./build.ts";
import { moment } from "../support/until.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

test("git-cloner checks out branches, tags and commits, and says what is missing", async () => {
  using app = repository();
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", app.path, "-c", "user.name=T", "-c", "user.email=t@example.org", ...args], {
      encoding: "utf8",
    }).trim();
  git("tag", "v1");
  git("commit", "-q", "--allow-empty", "-m", "two");
  const first = git("rev-parse", "v1");
  for (const ref of ["v1", first, first.slice(0, 8)]) {
    await build({ repository: app.path, ref }, async ({ step }) => {
      await step(containerStart);
      assert.equal(((await step(gitCloner)).result?.data as { commit: string }).commit, first, ref);
      assert.ok((await step(gitCloner, { attempt: 2 })).result?.success, "a second attempt clones again");
    });
  }
  git("branch", "fix=1", "v1");
  await build({ repository: app.path, ref: "fix=1" }, async ({ step }) => {
    await step(containerStart);
    assert.deepEqual((await step(gitCloner)).result?.data, { commit: first, ref: "refs/heads/fix=1" });
  });
  for (const ref of ["no-such-branch", "abcdef12"]) {
    await build({ repository: app.path, ref }, async ({ step }) => {
      await step(containerStart);
      assert.equal((await step(gitCloner)).failure?.reason, "ref-not-found", ref);
    });
  }
});

test("git-cloner says which submodules it does not check out", async () => {
  using app = repository({ ".gitmodules": "" });
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", app.path, "-c", "user.name=T", "-c", "user.email=t@example.org", ...args]);
  const commit = "1".repeat(40);
  for (const name of ["a", "b c", "d", "e"]) {
    git("update-index", "--add", "--cacheinfo", `160000,${commit},lib/${name}`);
  }
  git("commit", "-qm", "modules");
  const said = async (spec: object) => {
    const lines: string[] = [];
    await build({ repository: app.path, ...spec }, async ({ step }) => {
      await step(containerStart);
      lines.push(...(await step(gitCloner)).lines);
    });
    return lines.filter((line) => line.includes("Submodules"));
  };
  assert.deepEqual(await said({}), [
    "stderr Submodules (4) are not checked out: lib/a, lib/b c, lib/d; spec.submodules (--submodules) checks them out",
  ]);
  assert.deepEqual(await said({ submodules: true }), []);
});

test("git-cloner brings a local repository into a container that has no tar", async () => {
  using app = repository();
  await build({ repository: app.path, user: "nobody" }, async ({ step, idle: container }) => {
    await step(containerStart);
    execFileSync("docker", ["exec", "--user", "0", container, "sh", "-c", 'rm "$(command -v tar)"']);
    const { result } = await step(gitCloner);
    const commit = execFileSync("git", ["-C", app.path, "rev-parse", "HEAD"], { encoding: "utf8" }).trim();
    assert.deepEqual(result?.data, { commit, ref: "refs/heads/main" });
  });
});

test("a step whose container is stopped or removed before Docker starts a process in it says container-lost", async () => {
  await using docker = testDocker();
  using app = repository();
  for (const [end, because] of [["kill", "stopped from outside"], ["remove", "removed"]] as const) {
    await build({ repository: app.path }, async ({ step }) => {
      await step(containerStart);
      const exec: Docker["exec"] = async (container, ...given) => {
        await docker[end](container);
        return await docker.exec(container, ...given);
      };
      // A busy daemon answers late: what happened since the step began is looked for all the same.
      const now: Docker["now"] = async (...given) => {
        for (let i = 0; i < 50; i++) await moment();
        return await docker.now(...given);
      };
      const { failure } = await step(gitCloner, { docker: { ...docker, exec, now } });
      assert.equal(failure?.reason, "container-lost");
      assert.equal(failure?.message, `The step was cut off, since the container was ${because}`);
    });
  }
});

test("git-cloner runs no hook and nothing of the repository's configuration, here or in the container", async () => {
  using app = repository();
  writeFileSync(join(app.path, ".git", "hooks", "post-checkout"), "#!/bin/sh\ntouch /tmp/hooked\n", {
    mode: 0o755,
  });
  await build({ repository: app.path }, async ({ step, idle: container }) => {
    await step(containerStart);
    assert.ok((await step(gitCloner)).result?.success);
    assert.throws(() =>
      execFileSync("docker", ["exec", container, "test", "-e", "/tmp/hooked"], { stdio: "ignore" })
    );
  });
});

test("git-cloner brings into the container what the pinned commit reaches, and nothing else of the repository", async () => {
  using app = repository({ "a.txt": "one\n", "b.txt": "same\n" });
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", app.path, "-c", "user.name=T", "-c", "user.email=t@example.org", ...args], {
      encoding: "utf8",
    }).trim();
  const pinned = git("rev-parse", "HEAD");
  git("tag", "-a", "-m", "v1", "v1");
  writeFileSync(join(app.path, ".env"), "SECRET=staged\n");
  git("add", "-f", ".env");
  git("rm", "-q", "--cached", ".env");
  writeFileSync(join(app.path, "a.txt"), "stashed\n");
  git("stash");
  git("checkout", "-q", "-b", "other");
  writeFileSync(join(app.path, "a.txt"), "other\n");
  git("commit", "-qam", "other");
  git("checkout", "-q", "main");
  writeFileSync(join(app.path, "a.txt"), "two\n");
  git("commit", "-qam", "committed after the command was typed");
  const wanted = git("rev-list", "--objects", "--no-object-names", pinned).split("\n");
  const localCommit = { repository: app.path, commit: pinned, ref: "refs/heads/main" };
  await build({ repository: app.path, depth: 0 }, async ({ step, idle: container }) => {
    const inside = (...words: string[]) =>
      execFileSync("docker", ["exec", "--workdir", "/workspace", container, ...words], { encoding: "utf8" })
        .trim();
    await step(containerStart);
    const { result } = await step(gitCloner, { policy: testPolicy({ localCommit }) });
    assert.deepEqual(result?.data, { commit: pinned, ref: "refs/heads/main" });
    const objects = inside("git", "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split(
      "\n",
    );
    assert.deepEqual(objects, [...wanted, git("rev-parse", "v1")].sort());
    assert.equal(inside("git", "describe", "--long"), `v1-0-g${pinned.slice(0, 7)}`);
    assert.equal(inside("git", "status", "--porcelain", "--branch"), "## main");
    const packs = inside(
      "sh",
      "-c",
      "find / -xdev \\( -name '*.pack' -o -name 'packed-refs' \\) 2>/dev/null",
    );
    assert.equal(packs, "", "no copy beside the workspace, which is a volume of its own");
  });
});

test("git-cloner fails where what it checked out got lost on the way", async () => {
  using app = repository();
  await using docker = testDocker();
  const deaf: Docker = {
    ...docker,
    async exec(...given) {
      const process = await docker.exec(...given);
      return { ...process, output: drained(process.output) };
    },
  };
  await build({ repository: app.path }, async ({ step }) => {
    await step(containerStart);
    const { failure } = await step(gitCloner, { docker: deaf });
    assert.equal(failure?.reason, "clone-failed");
    assert.match(failure?.message ?? "", /without saying what it had checked out/);
  });
});

/** Reads it all and gives nothing. */
// deno-lint-ignore require-yield
async function* drained(output: AsyncIterable<OutputChunk>): AsyncGenerator<OutputChunk> {
  for await (const _ of output);
}
