import assert from "node:assert/strict";
import { openHistory } from "../../lib/backend/embedded/embedded.ts";
import { leavesNothing } from "../support/left-as-it-was.ts";
import { mountSmallDisk, noSmallDisk } from "../support/small-disk.ts";
import { makePlace, startRun } from "../support/start-run.ts";
import { stepOutcomes } from "../support/step-outcomes.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker", noSmallDisk);

/** Neither can be pressed to a size that fits. */
const CASES = [
  { what: "its log", flags: ["-c", "head -c 100000000 /dev/urandom | base64"] },
  { what: "an artifact", flags: ["-c", "head -c 60000000 /dev/urandom >a", "-a", "a"] },
];

for (const { what, flags } of CASES) {
  test(
    `run fails for a full disk, is cleaned up and recorded, where ${what} has no room`,
    async () => {
      await using place = await makePlace();
      using disk = mountSmallDisk(place.data("disk"), "40m");
      await leavesNothing(place, async () => {
        const data = "disk/data";
        const ended = await startRun(place, flags, { data, onLine: () => {} }).ended;
        assert.equal(ended.exit, 1, ended.stderr);
        assert.deepEqual([ended.end?.outcome, ended.end?.reason], ["failed", "disk-full"]);
        const { builder, "container-stop": stopped } = stepOutcomes(ended);
        assert.deepEqual([builder, stopped], ["failed: disk-full", "succeeded"]);

        disk.grow("400m");
        assert.equal((await startRun(place, ["-c", "make"], { data }).ended).exit, 0);
        await using store = await openHistory(place.data(data));
        const runs = await store.runs.list();
        assert.deepEqual(runs.map(({ outcome, verdict }) => [outcome, verdict?.reason]), [
          ["succeeded", undefined],
          ["failed", "disk-full"],
        ]);
      });
    },
  );
}

test("run does not begin where the data folder has no room for a run's end", async () => {
  await using place = await makePlace();
  using disk = mountSmallDisk(place.data("disk"), "2m");
  const data = "disk/data";
  const refused = await startRun(place, ["-c", "make"], { data }).ended;
  assert.equal(refused.exit, 3, refused.stdout);
  assert.match(
    refused.stderr,
    /^error: Cannot use ".*\/disk\/data" as data folder: its disk has [\d.]+ MiB left, expected /,
  );

  disk.grow("400m");
  await leavesNothing(place, async () => {
    assert.equal((await startRun(place, ["-c", "make"], { data }).ended).exit, 0);
  });
  await using store = await openHistory(place.data(data));
  assert.deepEqual((await store.runs.list()).map(({ outcome }) => outcome), ["succeeded"]);
});
