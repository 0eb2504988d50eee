import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { shortDigest } from "../../lib/build/cache/hash.ts";
import { matchKeys } from "../../lib/build/cache/key.ts";
import { CACHE_LABELS } from "../../lib/build/cache/volumes.ts";
import { idleName, LABELS, runLabels } from "../../lib/build/labels.ts";
import { stepContext } from "../support/step-context.ts";
import { testSettings } from "../support/settings.ts";
import { type Answer, fakeDocker, planFor } from "./fake-docker.ts";

const SUMS = "abc  lock\n";
const hashOf = (text: string) => shortDigest(createHash("sha256").update(text));

interface World {
  readonly files?: string[];
  readonly key?: object | string;
  readonly fallback?: string[];
  readonly sum?: Answer;
  readonly list?: Answer;
  readonly empty?: Answer;
  /** The key of the saved cache that the run reads. */
  readonly base?: string;
}

async function match(
  { files = ["./a.lock", "./src/b.lock", "./c.txt"], key, fallback = [], base, ...world }: World,
) {
  const emptied: (string | undefined)[] = [];
  const fake = fakeDocker({
    exec({ command }) {
      const line = command[2] ?? "";
      if (line.startsWith("find . ")) {
        return world.list ?? { stdout: files.map((name) => `${name}\0`).join("") };
      }
      if (line.startsWith("xargs")) return world.sum ?? { stdout: SUMS };
      emptied.push(command.at(-1));
      return world.empty ?? 0;
    },
  });
  const identity = {
    [CACHE_LABELS.project]: "p",
    [CACHE_LABELS.name]: "deps",
    [CACHE_LABELS.scope]: "default",
  };
  fake.volumes.set("conveyor-cache-1", {
    ...identity,
    [LABELS.owner]: "me",
    [CACHE_LABELS.role]: "layer",
    [CACHE_LABELS.run]: "r",
    [CACHE_LABELS.base]: "conveyor-cache-0-saved",
  });
  if (base !== undefined) {
    fake.volumes.set("conveyor-cache-0-saved", {
      ...identity,
      [LABELS.owner]: "me",
      [CACHE_LABELS.role]: "saved",
      [CACHE_LABELS.key]: base,
    });
  }
  const container = fake.add(idleName("r"), runLabels("me", "r"));
  const cache = [{
    name: "deps",
    path: "/cache",
    key: key ?? { prefix: "v1", files: ["**/*.lock"] },
    fallback,
  }];
  const spec = { repository: "https://example.org/a.git", image: "i", commands: ["x"], cache };
  const context = stepContext(fake.docker, spec, { run: "r", settings: testSettings({ owner: "me" }) });
  const keys = await matchKeys(context, container, planFor(context));
  return { keys, emptied, ran: fake.ran, lines: await context.lines() };
}

test("a cache's key is its prefix and a hash of the files that its globs choose, in order", async () => {
  const { keys, ran, emptied } = await match({ files: ["./src/b.lock", "./a.lock", "./c.txt", "./", ""] });
  assert.deepEqual(keys, { deps: `v1-${hashOf(SUMS)}` });
  assert.equal(ran[1]?.input, "a.lock\0src/b.lock\0");
  assert.deepEqual([ran[0]?.workdir, ran[0]?.user], ["/workspace", "0"]);
  assert.deepEqual(emptied, []);
  const none = await match({ files: ["./c.txt"] });
  assert.deepEqual(none.keys, { deps: `v1-${hashOf("")}` });
  assert.equal(none.ran.length, 1);
  assert.deepEqual(none.lines, [`system Cache deps: no file matches its key's "**/*.lock"`]);
});

test("a key without files needs no look into the checkout", async () => {
  const { keys, ran } = await match({ key: "v1" });
  assert.deepEqual([keys, ran], [{}, []]);
});

test("what was saved with another key is emptied, unless it is the same or a fallback allows it", async () => {
  const same = await match({ base: `v1-${hashOf(SUMS)}` });
  assert.deepEqual([same.emptied, same.lines], [[], []]);
  const allowed = await match({ base: "v1-0000", fallback: ["v1-"] });
  assert.deepEqual(allowed.emptied, []);
  const other = await match({ base: "v1-0000" });
  assert.deepEqual(other.emptied, ["/cache"]);
  assert.match(other.lines.join(), /Cache deps: empty, the saved one belongs to v1-0000, not v1-/);
  assert.ok(other.keys["deps"]);
});

test("a cache that cannot be emptied is not saved, since it has what belongs to another key", async () => {
  const { keys, lines } = await match({ base: "v1-0000", empty: 1 });
  assert.deepEqual(keys, {});
  assert.match(lines.at(-1) ?? "", /cannot be emptied in this image/);
});

test("files that cannot be read in this image leave the cache empty, and say so", async () => {
  for (const world of [{ list: 1 }, { sum: { exitCode: 1, stdout: SUMS } }]) {
    const { keys, emptied, lines } = await match({ ...world, base: `v1-${hashOf(SUMS)}` });
    assert.deepEqual([keys, emptied], [{}, ["/cache"]]);
    assert.match(lines.join(), /Cache deps: its files cannot be read in this image, so it stays empty/);
  }
});

test("names that are too long or too many to be counted leave the cache empty, and say so", async () => {
  const named = (name: string, count = 1) => ({ stdout: `./${name}.lock\0`.repeat(count) });
  const long = await match({ list: named("x".repeat(70_000)) });
  assert.deepEqual([long.keys, long.emptied], [{}, ["/cache"]]);
  assert.match(long.lines.join(), /its files cannot be read in this image/);
  const many = await match({ list: named("x".repeat(60_000), 570) });
  assert.deepEqual([many.keys, many.emptied], [{}, ["/cache"]]);
  assert.match(many.lines.join(), /its key's globs choose more files than can be counted \(560 and more\)/);
});
