import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { chooseSaved } from "../../lib/build/cache/choose.ts";
import { chooseEvicted } from "../../lib/build/cache/evict.ts";
import { cacheFlag, cacheScope } from "../../lib/build/cache/flags.ts";
import { cacheScopes } from "../../lib/build/cache/scope.ts";
import { RefusedLayers } from "../../lib/build/cache/refused-layers.ts";
import { checkCaches } from "../../lib/build/cache/spec.ts";
import {
  type CacheVolumes,
  readCacheVolumes,
  type Saved,
  unneededLayers,
} from "../../lib/build/cache/volumes.ts";
import { planBuild } from "../../lib/build/plan.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import { parseBuildSpec } from "../../lib/build/spec.ts";
import { specOfFlags } from "../../lib/cli/shared/request/spec-of-flags.ts";

const REPOSITORY = "https://example.org/app.git";
const LIMITS = {
  allowImages: [],
  allowNetworks: [],
  allowEnv: [],
  allowPrivileged: false,
  allowLocalRepository: true,
  allowKeep: false,
  environment: {},
  maxCpus: undefined,
  maxMemory: undefined,
  maxPids: undefined,
  maxTimeoutMs: undefined,
  graceMs: Infinity,
  maxLogBytes: Infinity,
  maxArtifactBytes: Infinity,
};

const line = (more: object = {}) => ({ name: "c", path: "/c", fallback: [], ...more });

function saved(given: Partial<Saved> = {}): Saved {
  const volume = { name: `v${given.usedAt}`, labels: {}, mountpoint: "", createdAt: 0 };
  const same = { project: "p", name: "c", scope: "default", key: "", repository: "r", branch: "" };
  return { volume, ...same, layers: [`layer${given.usedAt}`], usedAt: 0, ...given };
}

function volumes(...all: Saved[]): CacheVolumes {
  const layers = new Map(all.flatMap((one) => one.layers.map((name) => [name, { name } as never])));
  return { saved: all.toSorted((a, b) => b.usedAt - a.usedAt), layers, work: [] };
}

test("layers that a daemon refuses are tried again, after longer and longer pauses", () => {
  const clock = { now: 0 };
  const refused = new RefusedLayers(() => clock.now);
  const [docker, other] = [{}, {}] as [Docker, Docker];
  refused.refused(docker);
  assert.ok(refused.mayTry(docker));
  const pauses: number[] = [];
  for (let i = 0; i < 8; i++) {
    refused.refused(docker);
    assert.ok(refused.mayTry(other));
    const began = clock.now;
    while (!refused.mayTry(docker)) clock.now += 60_000;
    pauses.push((clock.now - began) / 60_000);
  }
  assert.deepEqual(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
  refused.worked(docker);
  refused.refused(docker);
  assert.ok(refused.mayTry(docker));
});

test("--cache takes a name and a folder that is neither the container's own nor the workspace", () => {
  assert.deepEqual(cacheFlag("npm:/root/.npm//_cacache/"), { name: "npm", path: "/root/.npm/_cacache" });
  assert.deepEqual(cacheFlag("go:/usr/local/cargo/registry").path, "/usr/local/cargo/registry");
  const refused = {
    "npm": /expected NAME:PATH/,
    "npm:": /absolute folder/,
    "npm:~/.npm": /absolute folder/,
    ":/c": /Invalid name ""/,
    "../x:/c": /Invalid name/,
    "a b:/c": /Invalid name/,
    "a:/": /a folder below it/,
    "a:/usr": /a folder below it/,
    "a:/root": /a folder below it/,
    "a:/c/../etc": /without "\." and "\.\."/,
    "a:/./c": /without/,
    "a:/etc/x": /outside of \/etc/,
    "a:/proc": /outside of \/proc/,
    "a:/usr/bin": /outside of \/usr\/bin/,
    "a:/.conveyor/x": /does not begin with "\.conveyor"/,
    "a:/.conveyor-git": /does not begin with "\.conveyor"/,
    "a://.conveyor-git-private/x": /does not begin with "\.conveyor"/,
    "a:/.conveyor-caches/0": /does not begin with "\.conveyor"/,
    "a:/workspace": /the workspace is empty/,
    "a:/workspace/node_modules": /the workspace is empty/,
    "a:/c,readonly": /letters, digits/,
    "a:/c:/d": /letters, digits/,
    "a:/c\0d": /letters, digits/,
    [`a:/${"x".repeat(600)}`]: /512 characters at most/,
  };
  for (const [text, why] of Object.entries(refused)) {
    assert.throws(
      () => cacheFlag(text),
      (error) => error instanceof InputError && why.test(error.message),
      text,
    );
  }
  for (const text of ["", "ref:main", "a b", "../..", "-x"]) {
    assert.throws(() => cacheScope(text), InputError, text);
  }
});

test("a spec's caches have names and folders of their own, and are refused before anything runs", () => {
  const plan = (cache: unknown) => () => planBuild({ repository: REPOSITORY, cache }, LIMITS);
  assert.throws(plan([line(), line({ path: "/d" })]), /spec\.cache: Two caches are named "c"/);
  assert.throws(plan([line(), line({ name: "d", path: "/c/d" })]), /lie in each other: \/c, \/c\/d/);
  assert.throws(plan([line({ fallback: ["v1"] })]), /has fallback keys and no key/);
  assert.throws(plan([line({ key: { files: ["!(a)"] } })]), /spec\.cache: Invalid glob "!\(a\)"/);
  assert.throws(plan([line({ path: "/etc" })]), /spec\.cache\.0\.path: .*"\/etc".*outside of \/etc/);
  assert.throws(plan([line({ kye: "x" })]), /kye/);
  assert.throws(plan(["npm:/c"]), /spec\.cache\.0/);
  assert.throws(
    plan(Array.from({ length: 17 }, (_, i) => line({ name: `c${i}`, path: `/c${i}` }))),
    /spec\.cache/,
  );
  checkCaches([line(), line({ name: "d", path: "/cd" })]);
});

test("--cache replaces a file's cache of that name and leaves the others", () => {
  const file = { cache: [{ name: "a", path: "/a" }, { name: "b", path: "/b" }] };
  const { cache } = specOfFlags(file, { cache: [{ name: "b", path: "/other" }] } as never, undefined, {});
  assert.deepEqual(cache, [{ name: "a", path: "/a" }, { name: "b", path: "/other" }]);
});

test("the scope is that of the ref that was asked for, and a scope's name cannot be that of a ref", () => {
  const own = (spec: object, localCommit?: { repository: string; commit: string; ref: string }) =>
    cacheScopes(planBuild({ repository: REPOSITORY, ...spec }, LIMITS), { localCommit }, []).own;
  assert.equal(own({}), "default");
  assert.equal(own({ ref: "HEAD" }), "default");
  // What a stranger's repository calls its branches says nothing about which is the default.
  assert.equal(own({ ref: "main" }), "ref:main");
  assert.equal(own({ ref: "refs/heads/x" }), own({ ref: "x" }));
  assert.equal(own({ ref: "refs/pull/1/head" }), "ref:refs/pull/1/head");
  assert.equal(own({ ref: "refs/heads/HEAD" }), "ref:HEAD");
  assert.equal(own({ ref: "refs/tags/main" }), "ref:refs/tags/main");
  assert.equal(own({ ref: "x", cacheScope: "default" }), "default");
  // Which one it is says a build without a ref, of the same repository.
  const main = planBuild({ repository: REPOSITORY, ref: "main" }, LIMITS);
  const known = { localCommit: undefined };
  const { project: app } = cacheScopes(main, known, []);
  assert.equal(cacheScopes(main, known, [saved({ project: app, branch: "refs/heads/main" })]).own, "default");
  assert.equal(
    cacheScopes(main, known, [saved({ project: app, branch: "refs/heads/trunk" })]).own,
    "ref:main",
  );
  assert.equal(
    cacheScopes(main, known, [saved({ project: "other", branch: "refs/heads/main" })]).own,
    "ref:main",
  );
  const here = { repository: "/app" };
  const at = (ref: string) => own(here, { repository: "/app", commit: "c", ref });
  assert.equal(at("refs/heads/main"), "default");
  assert.equal(at("refs/heads/stranger"), "ref:stranger");
  assert.equal(at("refs/heads/HEAD"), "ref:HEAD");
  assert.equal(at("refs/tags/main"), "ref:refs/tags/main");
  for (const without of ["", "HEAD"]) assert.equal(at(without), "ref:c");
  const project = (repository: string) =>
    cacheScopes(planBuild({ repository }, LIMITS), { localCommit: undefined }, []).project;
  assert.equal(project(REPOSITORY), project("https://example.org/app"));
  assert.notEqual(project(REPOSITORY), project("https://example.org/app2"));
  assert.equal(parseBuildSpec({ repository: REPOSITORY, cacheScope: "ref:main" }).success, false);
});

test("chooseSaved takes the own scope's cache, else the default branch's, and never another's", () => {
  const scopes = { project: "p", own: "ref:x" };
  const [ours, base, other] = [
    saved({ scope: "ref:x", usedAt: 1 }),
    saved({ usedAt: 2 }),
    saved({ scope: "ref:y", usedAt: 3 }),
  ];
  assert.equal(chooseSaved(line(), scopes, volumes(ours, base, other)), ours);
  assert.equal(chooseSaved(line(), scopes, volumes(base, other)), base);
  assert.equal(chooseSaved(line(), scopes, volumes(other)), undefined);
  assert.equal(chooseSaved(line(), { project: "p", own: "default" }, volumes(ours, other)), undefined);
  assert.equal(chooseSaved(line(), { project: "q", own: "default" }, volumes(base)), undefined);
  assert.equal(chooseSaved(line({ name: "d" }), scopes, volumes(base)), undefined);
  const broken = { ...volumes(base), layers: new Map() };
  assert.equal(chooseSaved(line(), scopes, broken), undefined);
});

test("chooseSaved goes by the key, then by the fallback keys in their order", () => {
  const scopes = { project: "p", own: "default" };
  const hash = "0123456789abcdef".repeat(2);
  const [one, two, text] = [
    saved({ key: `v1-${hash}`, usedAt: 1 }),
    saved({ key: `v2-${hash}`, usedAt: 2 }),
    saved({ key: "v1", usedAt: 3 }),
  ];
  const all = volumes(one, two, text);
  const files = { prefix: "v1", files: ["a"] };
  assert.equal(chooseSaved(line({ key: files }), scopes, all), one);
  assert.equal(chooseSaved(line({ key: "v1" }), scopes, all), text);
  assert.equal(chooseSaved(line({ key: "v" }), scopes, all), undefined);
  assert.equal(chooseSaved(line({ key: "v3", fallback: ["v2", "v1"] }), scopes, all), two);
  assert.equal(chooseSaved(line(), scopes, all), undefined);
});

test("a volume that only carries our labels is none of ours, and a layer stays that somebody needs", () => {
  const labels = (role: string, more: object = {}) => ({
    "conveyor.owner": "me",
    "conveyor.cache": role,
    "conveyor.cache-run": "r1",
    ...more,
  });
  const at = (name: string, labels: Record<string, string>) => ({
    name,
    labels,
    mountpoint: "",
    createdAt: 0,
  });
  const found = readCacheVolumes("me", [
    at("evil", labels("layer")),
    at("conveyor-cache-a", { ...labels("layer"), "conveyor.owner": "other" }),
    at("conveyor-cache-1", labels("layer")),
    at(
      "conveyor-cache-2",
      labels("layer", { "conveyor.cache-run": "r2", "conveyor.cache-reads": "conveyor-cache-3" }),
    ),
    at("conveyor-cache-3", labels("layer")),
    at("conveyor-cache-4", labels("layer")),
    at("conveyor-cache-x-saved", labels("saved", { "conveyor.cache-top": "conveyor-cache-4" })),
  ]);
  assert.equal(found.layers.size, 4);
  const unneeded = unneededLayers(found, ({ run }) => run === "r2").map(({ volume }) => volume.name);
  assert.deepEqual(unneeded, ["conveyor-cache-1"]);
});

test("chooseEvicted keeps what was used last and fits, and counts a shared layer once", () => {
  const sizes = new Map([["a", 10], ["b", 10], ["c", 10]]);
  const all = [
    saved({ usedAt: 3, layers: ["a", "b"] }),
    saved({ usedAt: 2, layers: ["b"] }),
    saved({ usedAt: 1, layers: ["c"] }),
  ];
  const kept = (limits: object) => {
    const [one, other] = [all, all.toReversed()].map((found) =>
      chooseEvicted(found, { now: 10, sizes, ...limits }).kept.map(({ saved }) => saved.usedAt)
    );
    assert.deepEqual(one, other, "whatever the order in which they are found");
    return one;
  };
  assert.deepEqual(kept({}), [3, 2, 1]);
  assert.deepEqual(kept({ maxBytes: 20 }), [3, 2]);
  assert.deepEqual(kept({ maxBytes: 0 }), []);
  assert.deepEqual(kept({ maxAgeMs: 7 }), [3]);
});
