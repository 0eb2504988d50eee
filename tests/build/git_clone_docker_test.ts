import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { randomBytes } from "node:crypto";
import { containerStart } from "../../drivers/container-start.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { idleName, LABELS } from "../../lib/build/labels.ts";
import type { BuildContext } from "../../lib/build/policy.ts";
import { hostileImage } from "../support/hostile-image.ts";
import { commit, smartRepositories } from "../support/smart-repository.ts";
import { resourceOf, TEST_IMAGE } from "../support/step-context.ts";
import { build, repository, settings } from "./build.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("Docker");

const docker = (...args: string[]): string => execFileSync("docker", args, { encoding: "utf8" }).trim();
const ids = { one: "", two: "", pull: "", lib: "" };
const newIds = { one: "", two: "", pull: "" };
const remote: { current?: ReturnType<typeof smartRepositories> } = {};
const served = () => {
  assert.ok(remote.current);
  return remote.current;
};

before(() => {
  const history = (ids: typeof newIds): Parameters<typeof smartRepositories>[0][string] => (git, folder) => {
    ids.one = commit(git, folder, "one");
    git("tag", "-a", "-m", "v1", "v1");
    git("branch", "both");
    ids.two = commit(git, folder, "two");
    git("tag", "both");
    git("checkout", "-q", "--detach");
    ids.pull = commit(git, folder, "pull");
    git("update-ref", "refs/pull/1/head", "HEAD");
    git("update-ref", "refs/merge-requests/7/head", "HEAD");
    git("checkout", "-q", "main");
  };
  remote.current = smartRepositories({
    "app.git": history(ids),
    "new.git": history(newIds),
    "own.git": (git, folder) => void commit(git, folder, ".conveyor.yaml", "spec: { commands: [make] }"),
    "lib.git": (git, folder) => void (ids.lib = commit(git, folder, "lib.txt", "lib")),
    "big.git": (git, folder) => void commit(git, folder, "big", randomBytes(3_000_000).toString("latin1")),
  }, { format: { "new.git": "sha256" } });
});
after(() => remote.current?.[Symbol.dispose]());

/** The step's context for another spec on the same container: each clone empties the workspace. */
const asking = (spec: object): Partial<BuildContext> => ({
  resource: resourceOf({ image: served().image, ...spec }),
});

test("git-cloner takes every name of a ref that git takes, from repositories with either kind of ids", async () => {
  const refs: Record<string, [commit: keyof typeof newIds, ref: string]> = {
    "": ["two", "refs/heads/main"],
    "HEAD": ["two", "refs/heads/main"],
    "main": ["two", "refs/heads/main"],
    "heads/main": ["two", "refs/heads/main"],
    "refs/heads/main": ["two", "refs/heads/main"],
    "v1": ["one", "refs/tags/v1"],
    "tags/v1": ["one", "refs/tags/v1"],
    "refs/tags/v1": ["one", "refs/tags/v1"],
    "both": ["one", "refs/heads/both"],
    "refs/tags/both": ["two", "refs/tags/both"],
    "pull/1/head": ["pull", "refs/pull/1/head"],
    "refs/pull/1/head": ["pull", "refs/pull/1/head"],
    "merge-requests/7/head": ["pull", "refs/merge-requests/7/head"],
  };
  const { image, url } = served();
  await build({ repository: url("app.git"), image }, async ({ step }) => {
    await step(containerStart);
    for (const [name, own] of [["app.git", ids], ["new.git", newIds]] as const) {
      const commits = { [own.one]: [own.one, ""], [own.pull]: [own.pull, ""] };
      const named = Object.entries(refs).map(([ref, [key, full]]) => [ref, [own[key], full]] as const);
      for (const [ref, [commit, full]] of [...named, ...Object.entries(commits)]) {
        const asked = asking({ repository: url(name), ...ref === "" ? {} : { ref } });
        const { result, failure, lines } = await step(gitCloner, asked);
        const what = `${name} ${ref}: ${failure?.message}\n${lines.join("\n")}`;
        assert.deepEqual(result?.data, { commit, ref: full }, what);
      }
      for (
        const ref of ["nope", "refs/heads/nope", "refs/pull/2/head", "abcdef12", "f".repeat(own.one.length)]
      ) {
        const { failure } = await step(gitCloner, asking({ repository: url(name), ref }));
        assert.equal(failure?.reason, "ref-not-found", `${name} ${ref}: ${failure?.message}`);
      }
      const short = own.one.slice(0, 8);
      const { result } = await step(gitCloner, asking({ repository: url(name), ref: short }));
      assert.deepEqual(result?.data, { commit: own.one, ref: "" });
    }
  });
});

test("git-cloner brings all branches and tags where all of the history is asked for, whatever the ref", async () => {
  const { image, url } = served();
  await build({ repository: url("app.git"), image, depth: 0 }, async ({ step, idle: container }) => {
    await step(containerStart);
    for (const ref of [undefined, "v1", "refs/heads/main", "refs/pull/1/head", ids.one, ids.pull]) {
      const asked = asking({ repository: url("app.git"), depth: 0, ...ref === undefined ? {} : { ref } });
      const { failure } = await step(gitCloner, asked);
      assert.equal(failure, undefined, `${ref}: ${failure?.message}`);
      const refs = docker("exec", container, "git", "for-each-ref", "--format=%(refname)").split("\n");
      for (
        const name of [
          "refs/tags/v1",
          "refs/tags/both",
          "refs/remotes/origin/both",
          "refs/remotes/origin/main",
        ]
      ) {
        assert.ok(refs.includes(name), `${ref} brings ${name}: ${refs}`);
      }
    }
    await step(gitCloner, asking({ repository: url("app.git"), depth: 0 }));
    const describe = ["exec", container, "git", "describe", "--long"];
    assert.equal(docker(...describe), `v1-1-g${ids.two.slice(0, 7)}`);
    // One commit brings the tags that lead to it, and no others.
    await step(gitCloner, asking({ repository: url("app.git"), ref: "v1" }));
    assert.equal(docker(...describe), `v1-0-g${ids.one.slice(0, 7)}`);
    await step(gitCloner, asking({ repository: url("app.git"), ref: ids.two }));
    assert.equal(docker("exec", container, "git", "rev-list", "--count", "HEAD"), "1");
    assert.throws(() => execFileSync("docker", describe, { stdio: "pipe" }), /No names found/);
  });
});

test("git-cloner finds relative submodules by a local repository's own origin, and names what it cannot get", async () => {
  const { image } = served();
  using app = repository();
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", app.path, "-c", "user.name=T", "-c", "user.email=t@example.org", ...args]);
  git("update-index", "--add", "--cacheinfo", `160000,${ids.lib},third party/lib`);
  git("config", "--file", ".gitmodules", "submodule.lib.path", "third party/lib");
  git("config", "--file", ".gitmodules", "submodule.lib.url", "../lib.git");
  git("add", ".gitmodules");
  git("commit", "-qm", "submodule");
  await build({ repository: app.path, image, submodules: true }, async ({ step, idle: container }) => {
    await step(containerStart);
    const alone = await step(gitCloner);
    assert.equal(alone.failure?.reason, "clone-failed");
    assert.match(
      alone.failure?.message ?? "",
      /^Cannot get the submodule "third party\/lib" from "\.\.\/lib\.git": the URL is relative to the repository's origin/,
    );
    git("remote", "add", "origin", "https://me:hunter2@git.example.org/team/app.git");
    const { result, failure } = await step(gitCloner);
    assert.ok(result?.success, `${failure?.message}`);
    assert.equal(docker("exec", container, "cat", "third party/lib/lib.txt"), "lib");
    assert.equal(
      docker("exec", container, "git", "remote", "get-url", "origin"),
      "https://git.example.org/team/app.git",
    );
    git("remote", "set-url", "origin", "https://git.example.org/team/app/app.git");
    git("config", "--file", ".gitmodules", "submodule.lib.url", "../none\nerror={}.git");
    git("add", ".gitmodules");
    git("commit", "-qm", "no such one");
    const missing = await step(gitCloner);
    assert.equal(missing.failure?.reason, "clone-failed");
    assert.match(
      missing.failure?.message ?? "",
      /"third party\/lib" from "https:\/\/git\.example\.org\/team\/app\/none error=\{\}\.git"/,
    );
  });
});

test("git-cloner minds none of the image's variables, and finds git where only the image's PATH leads", async () => {
  using image = hostileImage("exit 9", {
    GIT_OBJECT_DIRECTORY: "/nowhere",
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "core.attributesFile",
    GIT_TRACE2: "1",
    LD_PRELOAD: "/evil.so",
    IFS: "o",
    ENV: "/evil",
    BASH_ENV: "/evil",
    CDPATH: "/",
    PATH: ".:/opt/git/bin:/usr/bin:/bin",
  });
  using app = repository();
  await build({ repository: app.path, image: image.name }, async ({ step, idle: container }) => {
    assert.ok((await step(containerStart)).result?.success);
    const program = docker(
      "exec",
      container,
      "/bin/sh",
      "-c",
      "/bin/rm /usr/local/bin/git; command -v /usr/bin/git",
    );
    docker(
      "exec",
      container,
      "/bin/sh",
      "-c",
      `/bin/mkdir -p /opt/git/bin && /bin/mv ${program} /opt/git/bin/git`,
    );
    const { result, failure, lines } = await step(gitCloner);
    assert.ok(result?.success, `${failure?.message}\n${lines.join("\n")}`);
    assert.equal(lines.some((line) => /ld\.so|trace/.test(line)), false, lines.join("\n"));
  });
});

test("git-cloner keeps little of what an image's git says where only its own script does", async () => {
  using image = hostileImage(
    'for fd in /proc/$PPID/fd/[3-9] /proc/$PPID/fd/1?; do [ ! -p "$fd" ] || cat /dev/zero >"$fd"; done',
  );
  await build({ repository: served().url("app.git"), image: image.name }, async ({ step }) => {
    await step(containerStart);
    const { failure, lines } = await step(gitCloner);
    assert.equal(failure?.reason, "image-unusable", lines.join("\n"));
    assert.match(failure?.message ?? "", /The git of the image ".*" writes where only the clone script does/);
  });
});

test("git-cloner says that an image has no ssh, or no https, where a URL needs it", async () => {
  await build({ repository: "ssh://git@git.example.org/app.git" }, async ({ step, idle: container }) => {
    await step(containerStart);
    docker("exec", "--user", "0", container, "sh", "-c", "rm -f /usr/bin/ssh");
    const { failure } = await step(gitCloner);
    assert.equal(failure?.reason, "image-unusable");
    assert.equal(failure?.message, `The image "${TEST_IMAGE}" has no ssh, which this repository's URL needs`);
    docker("exec", "--user", "0", container, "sh", "-c", 'rm "$(git --exec-path)/git-remote-https"');
    const https = await step(gitCloner, asking({ repository: "https://git.example.org/app.git" }));
    assert.equal(https.failure?.reason, "image-unusable");
    assert.match(https.failure?.message ?? "", /has no part for https \(git-remote-https\)$/);
  });
});

test("git-cloner calls a disk full that is, by whatever git says of it, and none that a repository only speaks of", async () => {
  const { image, url } = served();
  const run = crypto.randomUUID();
  const labels = [`${LABELS.owner}=${settings.owner}`, `${LABELS.run}=${run}`].flatMap((
    text,
  ) => ["--label", text]);
  const name = idleName(run);
  docker(
    "run",
    "-d",
    "--name",
    name,
    ...labels,
    "--tmpfs",
    "/workspace:size=2m",
    "--workdir",
    "/workspace",
    image,
    "sleep",
    "600",
  );
  await build({ repository: url("big.git"), image }, async ({ step }) => {
    const { failure, lines } = await step(gitCloner, { run, ...asking({ repository: url("big.git") }) });
    assert.equal(failure?.reason, "disk-full", lines.join("\n"));
    assert.match(failure?.message ?? "", /^The disk is full: /);
    docker("rm", "-fv", name);
  });
  using talker = hostileImage("echo 'fatal: write error: No space left on device' >&2; exit 128");
  await build({ repository: url("app.git"), image: talker.name }, async ({ step }) => {
    await step(containerStart);
    assert.equal((await step(gitCloner)).failure?.reason, "clone-failed");
  });
});

test("git-cloner checks out only the folders of a sparse checkout, from near and far, and names what is not there", async () => {
  const { image, url } = served();
  using app = repository({ "top": "t\n" });
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", app.path, "-c", "user.name=T", "-c", "user.email=t@example.org", ...args]);
  for (const name of ["a b/in/x", "a b/y", "other/z"]) {
    mkdirSync(join(app.path, dirname(name)), { recursive: true });
    writeFileSync(join(app.path, name), "x\n");
  }
  git("add", "--all");
  git("commit", "-qm", "folders");
  await build({ repository: app.path, image }, async ({ step, idle: container }) => {
    await step(containerStart);
    const sparse = ["a b/in", "nowhere"];
    const { failure, lines } = await step(gitCloner, asking({ repository: app.path, sparse }));
    assert.equal(failure, undefined, `${failure?.message}`);
    const files = docker(
      "exec",
      container,
      "sh",
      "-c",
      "find . -path ./.git -prune -o -type f -print | sort",
    );
    assert.deepEqual(files.split("\n"), ["./a b/in/x", "./a b/y", "./top"]);
    assert.equal(docker("exec", container, "git", "status", "--porcelain"), "");
    assert.ok(
      lines.some((line) => line.endsWith('The commit has no folder "nowhere", which spec.sparse names')),
    );
    const far = await step(gitCloner, asking({ repository: url("app.git"), sparse: ["nowhere"], ref: "v1" }));
    assert.equal(far.failure, undefined, `${far.failure?.message}`);
    const refused = await step(gitCloner, asking({ repository: app.path, sparse: ["../x", "/etc", "a*"] }));
    assert.match(
      refused.failure?.message ?? "",
      /^spec\.sparse\.0: .*\nspec\.sparse\.1: .*\nspec\.sparse\.2: /,
    );
  });
});

test("git-cloner says which files are pointers of Git LFS", async () => {
  const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
  using app = repository({
    ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
    "a.bin": pointer,
    "b c.bin": pointer,
    "whole.bin": "content\n",
    "about.txt": pointer,
  });
  await build({ repository: app.path, image: served().image }, async ({ step }) => {
    await step(containerStart);
    const { result, lines } = await step(gitCloner);
    assert.equal(result?.success, true);
    const said = lines.filter((line) => line.includes("Git LFS"));
    assert.deepEqual(said, [
      "stderr Git LFS: 2 of the files are pointers, checked out without their content: a.bin, b c.bin; spec.lfs (--lfs) fetches it",
    ]);
  });
});

test("git-cloner says that it does not read the file of a repository that nothing else says how to build", async () => {
  const url = served().url("own.git");
  await build({ repository: url, image: served().image }, async ({ step }) => {
    await step(containerStart);
    const saidOf = async (spec: object) => {
      const { result, lines } = await step(gitCloner, { resource: resourceOf(spec) });
      assert.equal(result?.success, true);
      return lines.filter((line) => line.includes("which is not read"));
    };
    const [line, ...others] = await saidOf({ repository: url });
    assert.match(
      line ?? "",
      /^system The repository has a \.conveyor\.yaml, which is not read: .* -f \.conveyor\.yaml$/,
    );
    assert.deepEqual(others, []);
    assert.deepEqual(await saidOf({ repository: url, commands: ["make"] }), []);
  });
});
