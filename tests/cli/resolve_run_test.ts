import assert from "node:assert/strict";
import { test } from "node:test";
import { bootClock } from "../../lib/base/boot.ts";
import { InputError } from "../../lib/base/errors.ts";
import type { Caller } from "../../lib/cli/shared/api/call.ts";
import { resolveRun } from "../../lib/cli/shared/runs/resolve-run.ts";
import { historyCaller } from "../../lib/cli/shared/runs/history-caller.ts";
import { openEmbedded, openHistory } from "../../lib/backend/embedded/embedded.ts";
import { newRun } from "../../lib/engine/core/new-run.ts";
import { submission } from "../engine/support/runs.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const RUNS = ["aaaa1111", "aaaa2222", "bbbb1111"].map((start) => `${start}-2222-4333-8444-555555555555`);

/** A data folder with these runs, oldest first; the last one is worked on while this is open. */
async function history(runs: readonly string[]) {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await temporaryFolder());
  const scope = runs.at(-1) ?? "none";
  const { store } = opened.use(await openEmbedded({ folder: folder.path, scope }));
  for (const [i, run] of runs.entries()) await store.runs.put(run, newRun(run, submission("a"), i + 1), 0);
  const found = opened.use(await openHistory(folder.path));
  const kept = opened.move();
  const [call, close] = [historyCaller(found), () => kept.disposeAsync()];
  return { call, store, [Symbol.asyncDispose]: close };
}
const refused = async (call: Caller, text: string) => {
  const error = await resolveRun(call, text).catch((error: Error) => error);
  assert.ok(error instanceof InputError, String(error));
  return error.message;
};

test("resolveRun takes a whole id as it is, the newest run for last, and a beginning that only one run has", async () => {
  await using none = await history([]);
  assert.equal(await refused(none.call, "last"), "There is no run yet");
  assert.equal(await resolveRun(none.call, RUNS[0]?.toUpperCase() ?? ""), RUNS[0]);
  await using some = await history(RUNS);
  assert.equal(await resolveRun(some.call, "last"), RUNS[2]);
  assert.equal(await resolveRun(some.call, "b"), RUNS[2]);
  assert.equal(await resolveRun(some.call, "AAAA2"), RUNS[1]);
  assert.equal(
    await refused(some.call, "aaaa"),
    `Several runs begin with "aaaa": expected more of one's id, like ${RUNS[0]} or ${RUNS[1]}`,
  );
  assert.match(await refused(some.call, "c"), /^No run begins with "c"/);
  for (const text of ["", "../x", "latest", "a".repeat(37)]) {
    assert.match(await refused(some.call, text), /^Invalid run/);
  }
});

test("a history records a request to stop for the process that works on the run, and refuses others", async () => {
  await using some = await history(RUNS);
  const cancel = (run: string) =>
    some.call({ method: "POST", path: `/runs/${run}/cancel`, body: { message: "Enough" } });
  const [unattended = "", , worked = ""] = RUNS;
  await cancel(worked);
  const { value } = await some.store.runs.get(worked) ?? assert.fail();
  assert.deepEqual([value.verdict?.outcome, value.verdict?.message], ["cancelled", "Enough"]);
  await assert.rejects(cancel(unattended), /no process works on it here/);
  assert.equal((await some.store.runs.get(unattended))?.value.verdict, undefined);
  const submitting = some.call({ method: "POST", path: "/runs", body: {} });
  await assert.rejects(submitting, InputError);
});

test("a request to stop that a history records is in the run's time, also where the machine's clock was set", async () => {
  const HOUR = 3_600_000;
  for (const aheadMs of [-HOUR, HOUR]) {
    await using some = await history(RUNS);
    const [, , run = ""] = RUNS;
    const { value, revision } = await some.store.runs.get(run) ?? assert.fail();
    const createdAt = Date.now() + aheadMs;
    // The first driver is at work: the time of the request is when it was last heard of.
    const steps = value.steps.map((step, i) =>
      i > 0 ? step : { ...step, status: "running" as const, startedAt: createdAt, heardAt: createdAt }
    );
    const boot = bootClock()();
    await some.store.runs.put(run, { ...value, createdAt, steps, ...boot && { boot } }, revision);
    await some.call({ method: "POST", path: `/runs/${run}/cancel`, body: {} });
    const stopped = (await some.store.runs.get(run))?.value.steps[0]?.heardAt ?? 0;
    const sinceMs = stopped - createdAt;
    assert.ok(sinceMs >= 0 && (!boot || sinceMs < HOUR / 2), `${sinceMs} ms after the run's creation`);
  }
});
