import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { mirrorFolder } from "../../lib/build/git/mirror.ts";
import type { BuildContext } from "../../lib/build/policy.ts";
import { needing } from "../support/needs.ts";
import { testPolicy } from "../support/settings.ts";
import { commit, type Git, smartRepositories } from "../support/smart-repository.ts";
import { removeObjectsOf, resourceOf } from "../support/step-context.ts";
import { build, settings } from "./build.ts";

const { after, before, test } = needing("Docker");

const MIRROR = "/.conveyor-git";
/** A little more than what a mirror is made for. */
const SIZE = 8_500_000;
const policy = testPolicy({ gitMirror: true });
const ids = { one: "", two: "", pull: "", small: "" };
const remote: { current?: ReturnType<typeof smartRepositories> } = {};
const served = () => {
  assert.ok(remote.current);
  return remote.current;
};
const docker = (...args: string[]): string => execFileSync("docker", args, { encoding: "utf8" }).trim();

before(() => {
  remote.current = smartRepositories({
    "app.git": (git: Git, folder) => {
      ids.one = commit(git, folder, "big", randomBytes(SIZE));
      git("tag", "v1");
      git("branch", "old");
      commit(git, folder, "between");
      ids.two = commit(git, folder, "two");
      git("checkout", "-q", "--detach");
      ids.pull = commit(git, folder, "pull");
      git("update-ref", "refs/pull/1/head", "HEAD");
      git("checkout", "-q", "main");
    },
    "small.git": (git, folder) => void (ids.small = commit(git, folder, "a.txt")),
  });
});
after(async () => {
  remote.current?.[Symbol.dispose]();
  await removeObjectsOf(settings.owner);
});

/**
 * Prints the size of the large file, the exit code of git's own check, refs of ours, and whether the objects
 * are its own.
 */
const WHOLE = `cd /workspace && git fsck --connectivity-only >/dev/null 2>&1; checked=$?
[ -d .git/objects/pack ] && ! [ -e .git/objects/info/alternates ] && own=own
echo "$(wc -c <big) $checked $(git for-each-ref refs/conveyor) $own"`;

/** A spec of the default branch's scope, whatever its ref, so that all of them share a mirror. */
const specOf = (more: object) => ({
  repository: served().url("app.git"),
  image: served().image,
  network: "none",
  cacheScope: "default",
  ...more,
});
const asking = (spec: object): Partial<BuildContext> => ({
  policy,
  resource: resourceOf(specOf(spec)),
});

test("a second clone of a large repository fetches only what is new, whatever is asked for, and is as good as a first one", async () => {
  await build(specOf({ ref: "v1" }), async ({ step }) => {
    const started = await step(containerStart, { policy });
    assert.doesNotMatch(started.lines.join("\n"), /mirror/);
    const { result } = await step(gitCloner, { policy });
    assert.deepEqual(result?.data, { commit: ids.one, ref: "refs/tags/v1", mirror: "changed" });
    // Whatever becomes of the build.
    await step(containerStop, {
      policy,
      results: { ...result && { "git-cloner": result }, builder: { success: false, message: "", data: {} } },
    });
  });
  await build(specOf({}), async ({ step, idle }) => {
    const started = await step(containerStart, { policy });
    assert.match(
      started.lines.join("\n"),
      /^system Git mirror at \/\.conveyor-git: of the default branch, saved /m,
    );
    const inside = (...words: string[]) => docker("exec", idle, ...words);
    const refs = {
      "": [ids.two, "refs/heads/main"],
      "main": [ids.two, "refs/heads/main"],
      "old": [ids.one, "refs/heads/old"],
      "v1": [ids.one, "refs/tags/v1"],
      "refs/pull/1/head": [ids.pull, "refs/pull/1/head"],
      [ids.pull]: [ids.pull, ""],
      [ids.one.slice(0, 9)]: [ids.one, ""],
    };
    for (const [ref, [id, full]] of Object.entries(refs)) {
      const { result, failure, lines } = await step(gitCloner, asking(ref === "" ? {} : { ref }));
      const said = `${ref}: ${failure?.message}\n${lines.join("\n")}`;
      const { commit, ref: named, mirror } = result?.data as Record<string, string>;
      assert.deepEqual([commit, named], [id, full], said);
      if (ref === "") assert.equal(mirror, "changed", said);
      // The beginning of an id is looked for in all of the history, which a shallow mirror has not.
      if (full !== "" || id === ref) assert.doesNotMatch(said, /Receiving objects: .*MiB/, said);
      assert.equal(inside("sh", "-c", WHOLE), `${SIZE} 0  own`, said);
    }
    const { failure } = await step(gitCloner, asking({ ref: "nope" }));
    assert.equal(failure?.reason, "ref-not-found");
  });
});

test("a mirror with anything in it but packs is emptied, and one with damaged packs is dropped with a line", async () => {
  const evil = [
    "mkdir -p hooks && printf '#!/bin/sh\\ntouch /tmp/ran\\n' >hooks/post-checkout && chmod +x hooks/post-checkout",
    "mkdir -p objects/info && echo /etc >objects/info/alternates",
    "printf '[core]\\n\\tfsmonitor = touch /tmp/ran\\n' >config",
    "ln -s /etc/passwd objects/pack/pack-1.pack",
    "echo '../../x refs/heads/main' >>packed-refs",
    `echo "$(cut -d ' ' -f 1 packed-refs | head -n 1) refs/heads/main" >>packed-refs`,
  ];
  // What a small repository has fetched, put there by hand: after it was emptied it is too small for a
  // mirror.
  const fill = `find . -mindepth 1 -delete; mkdir -p objects/pack; cd /workspace/.git
cp objects/pack/pack-* ${MIRROR}/objects/pack/; [ ! -f shallow ] || cp shallow ${MIRROR}/
echo "$(git rev-parse HEAD) refs/conveyor/1" >${MIRROR}/packed-refs; cd ${MIRROR}
`;
  const spec = { repository: served().url("small.git") };
  await build(specOf(spec), async ({ step, idle }) => {
    await step(containerStart, { policy });
    const inMirror = (script: string) => docker("exec", "-w", MIRROR, idle, "sh", "-ec", script);
    const cloned = async (script: string) => {
      const { result, lines } = await step(gitCloner, asking(spec));
      assert.ok(result?.success, `${script}\n${lines.join("\n")}`);
      return { mirror: (result.data as { mirror?: string }).mirror, lines: lines.join("\n") };
    };
    await cloned("");
    inMirror(fill);
    // Nothing else is wrong with it.
    assert.equal((await cloned(fill)).mirror, "used");
    const left =
      "for path in /tmp/ran hooks/post-checkout objects/info/alternates; do ls -d $path 2>&- || true; done; grep fsmonitor config || true";
    for (const script of evil) {
      inMirror(fill + script);
      const { mirror, lines } = await cloned(script);
      assert.equal(mirror, undefined, `${script}\n${lines}`);
      assert.equal(inMirror(`cd /workspace/.git; ${left}; find ${MIRROR} -mindepth 1`), "", script);
    }
    inMirror(
      `${fill}chmod u+w objects/pack/*; for pack in objects/pack/*.pack; do head -c 100 /dev/urandom >$pack; done`,
    );
    const { lines } = await cloned("damaged");
    assert.match(lines, /The git mirror is dropped: the clone failed with it/);

    // Builds can write it: where a signature counts, nothing comes from it.
    inMirror(`${fill}touch odd`);
    const signed = { ...spec, verifySignatures: `me@example.org ssh-ed25519 AAAA${"B".repeat(64)}` };
    const { failure } = await step(gitCloner, asking(signed));
    assert.equal(failure?.reason, "not-signed");
    assert.equal(inMirror("ls -d odd"), "odd");
    const { lines: started } = await step(containerStart, asking(signed));
    assert.doesNotMatch(started.join("\n"), /[Mm]irror/);
  });
});

test("all of the history comes with a mirror too, and a small repository leaves none", async () => {
  const whole = { depth: 0 };
  await build(specOf(whole), async ({ step, idle }) => {
    await step(containerStart, { policy });
    for (const ref of ["v1", "main", "refs/pull/1/head"]) {
      const { result, lines } = await step(gitCloner, asking({ ...whole, ref }));
      assert.ok(result?.success, lines.join("\n"));
    }
    assert.equal(docker("exec", idle, "git", "-C", "/workspace", "rev-list", "--count", "HEAD"), "4");
  });
  const small = { repository: served().url("small.git") };
  await build(specOf(small), async ({ step }) => {
    await step(containerStart, { policy });
    assert.deepEqual((await step(gitCloner, { policy })).result?.data, {
      commit: ids.small,
      ref: "refs/heads/main",
    });
    assert.doesNotMatch((await step(containerStop, { policy })).lines.join("\n"), /mirror/);
  });
});

test("a clone with the operator's credential has a mirror apart, in the container that clones", async () => {
  const credentials = { gitTokens: { "git.example.org": "t0ken" }, gitImage: served().image };
  const trusted = { policy: testPolicy({ gitMirror: true, ...credentials }) };
  await build(specOf({}), async ({ step, idle }) => {
    // The mirror that was filled without is not this one.
    assert.doesNotMatch((await step(containerStart, trusted)).lines.join("\n"), /mirror/);
    for (const state of ["changed", "used"]) {
      const { result, lines } = await step(gitCloner, trusted);
      assert.equal((result?.data as { mirror?: string }).mirror, state, lines.join("\n"));
    }
    assert.equal(docker("exec", idle, "ls", "/.conveyor-git-private"), "objects\npacked-refs\nshallow");
  });
});

test("a clone with credentials of the run's own reads and writes no mirror, and the operator's have one apart", () => {
  const volumes = { "/.conveyor-git": "a" };
  assert.equal(
    mirrorFolder({ volumes }, { hasCredentials: false, hasOwnCredentials: false }),
    "/.conveyor-git",
  );
  assert.equal(mirrorFolder({ volumes }, { hasCredentials: true, hasOwnCredentials: false }), "");
  assert.equal(mirrorFolder({ volumes }, { hasCredentials: true, hasOwnCredentials: true }), "");
  const apart = { "/.conveyor-git-private": "b" };
  const [given, own] = [{ hasCredentials: true, hasOwnCredentials: false }, {
    hasCredentials: true,
    hasOwnCredentials: true,
  }];
  assert.equal(mirrorFolder({ volumes: apart }, given), "/.conveyor-git-private");
  assert.equal(mirrorFolder({ volumes: apart }, own), "");
  assert.equal(mirrorFolder({ volumes: apart }, { hasCredentials: false, hasOwnCredentials: false }), "");
});
