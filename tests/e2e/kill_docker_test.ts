import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { openHistory } from "../../lib/backend/embedded/embedded.ts";
import { FAULT_POINTS } from "../../lib/base/faults.ts";
import type { Run } from "../../lib/wire/run.ts";
import { leavesNothing } from "../support/left-as-it-was.ts";
import { makePlace, type Place, startRun } from "../support/start-run.ts";
import { needing } from "../support/needs.ts";

const FLUTTER_CI = fileURLToPath(new URL("../../bin/flutter-ci", import.meta.url));
const { test } = needing("Docker");

/** Every point at its first passage, and again at steps where something else is there to be left. */
const FAULTS = [
  ...FAULT_POINTS,
  "run-stored@container-start",
  "reconciled@git-cloner",
  "command-ended@builder#2",
  "logged@builder",
  "pulled@container-stop",
  "reconciled@container-stop",
  "result-published@container-stop",
  "result-handled@container-stop",
];
/** Data folders in which processes die at the same time. */
const GROUPS = 4;
/** The engine may have written down by now how the run has ended. */
const MAY_HAVE_ENDED = ["result-published@container-stop", "result-handled@container-stop"];
/** What is stored first is, as a rule, that the run before was lost: one's own run is not there yet. */
const MAY_BE_TOO_EARLY = "run-stored";

test("kill -9 of a run at any boundary of an event leaves nothing once the next run is through", async () => {
  await using place = await makePlace();
  await leavesNothing(place, async () => {
    const groups = Array.from(
      { length: GROUPS },
      (_, group) => FAULTS.filter((_, i) => i % GROUPS === group),
    );
    await Promise.all(groups.map(async (faults, i) => {
      await killAndRecover(place, `data-${i}`, faults);
      // What is saved stays, and nothing else.
      execFileSync(FLUTTER_CI, ["gc", "--cache-max", "0", "--data", place.data(`data-${i}`)]);
    }));
  });
});

async function killAndRecover(place: Place, data: string, faults: readonly string[]): Promise<void> {
  const flags = ["-c", "make", "-c", "make", "--secret", "TOKEN", "--cache", "kept:/var/cache/kept"];
  // Temporary files stay where a run is killed.
  const env = { TOKEN: "something-to-seal", TMPDIR: place.folder };
  const seen = new Map<string, string>();
  for (const fault of faults) {
    const killed = await startRun(place, flags, { data, env: { ...env, CONVEYOR_FAULT: fault } }).ended;
    assert.equal(killed.exit, "SIGKILL", `at ${fault}: ${killed.stderr}`);
    const [run] = await history(place, data);
    if (run === undefined || seen.has(run.id)) {
      assert.equal(fault, MAY_BE_TOO_EARLY);
    } else {
      assert.equal(run.outcome !== undefined && !MAY_HAVE_ENDED.includes(fault), false, fault);
      seen.set(run.id, fault);
    }
  }

  const recovering = await startRun(place, flags, { data, env }).ended;
  assert.equal(recovering.exit, 0, recovering.stderr);

  await using store = await openHistory(place.data(data));
  for (const [id, fault] of seen) {
    const run = (await store.runs.get(id))?.value;
    if (run?.outcome === "succeeded" && MAY_HAVE_ENDED.includes(fault)) continue;
    assert.deepEqual([run?.outcome, run?.verdict?.reason], ["failed", "driver-lost"], fault);
    // Where its log was cut off is shown.
    const [line] = await store.logs.tail(id, 1);
    assert.equal(line?.message, "The process of this run was ended in the middle of it", fault);
  }
  assert.deepEqual(await store.runs.open(), []);
  assert.deepEqual(await store.secrets.list(), []);
}

/** Newest first. */
async function history(place: Place, data: string): Promise<Run[]> {
  await using store = await openHistory(place.data(data));
  return await store.runs.list();
}
