import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { openHistory } from "../../lib/backend/embedded/embedded.ts";
import { containerName } from "../../lib/build/labels.ts";
import { leavesNothing } from "../support/left-as-it-was.ts";
import { makePlace, startRun } from "../support/start-run.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

const WAITS = "echo waits; while ! [ -e /tmp/go ]; do sleep 0.05; done; echo through";

test("runs of two data folders on one daemon leave each other alone, whatever one of them clears up", async () => {
  await using place = await makePlace();
  await leavesNothing(place, async (docker) => {
    // Temporary files stay where a run is killed.
    const env = { TMPDIR: place.folder };
    const start = (data: string, command: string) => startRun(place, ["-c", command], { data, env });
    const state = async (run: string) => (await docker.inspect(containerName(run)))?.state;

    const [one, two, killed] = [start("one", WAITS), start("two", WAITS), start("one", WAITS)];
    const runs = [one, two, killed].map(async (run) => (await run.line("waits")).run);
    const [ofOne = "", ofTwo = "", left = ""] = await Promise.all(runs);
    killed.kill("SIGKILL");
    assert.equal((await killed.ended).exit, "SIGKILL");

    // What "one" has left is not for "two" to clear.
    assert.equal((await start("two", "make").ended).exit, 0);
    assert.deepEqual(await Promise.all([ofOne, ofTwo, left].map(state)), ["running", "running", "running"]);
    // "one" clears it, and nothing else.
    assert.equal((await start("one", "make").ended).exit, 0);
    assert.deepEqual(await Promise.all([ofOne, ofTwo, left].map(state)), ["running", "running", undefined]);

    for (const run of [ofOne, ofTwo]) {
      execFileSync("docker", ["exec", containerName(run), "touch", "/tmp/go"]);
    }
    for (const run of [one, two]) {
      assert.equal((await run.ended).exit, 0);
      await run.line("through");
    }
    assert.deepEqual(await outcomes(place.data("one")), [
      "failed: The process of this run was ended in the middle of it",
      "succeeded: Run succeeded",
      "succeeded: Run succeeded",
    ]);
    assert.deepEqual(await outcomes(place.data("two")), [
      "succeeded: Run succeeded",
      "succeeded: Run succeeded",
    ]);
  });
});

/** How the runs in a data folder have ended, in the order of the alphabet. */
async function outcomes(data: string): Promise<string[]> {
  await using store = await openHistory(data);
  const runs = await store.runs.list();
  return runs.map(({ outcome, verdict }) => `${outcome}: ${verdict?.message}`).sort();
}
