import assert from "node:assert/strict";
import { test } from "node:test";
import { type Embedded, openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { idleName, runLabels } from "../../lib/build/labels.ts";
import { abortable } from "../../lib/base/signals.ts";
import { cleanUp } from "../../lib/cli/run/clean-up.ts";
import { cleanData } from "../../lib/cli/shared/clean-data.ts";
import { newRun } from "../../lib/engine/core/new-run.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import { startEngine } from "../../lib/engine/shell/start.ts";
import type { Run } from "../../lib/wire/run.ts";
import { fakeDocker } from "../build/fake-docker.ts";
import { submission } from "../engine/support/runs.ts";
import { captureLog } from "../support/process-log.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const id = (digit: number) => `${digit}`.repeat(8) + "-2222-4333-8444-555555555555";
/** Runs of a process that was killed, of one that works, of a control plane, and one that has ended. */
const [KILLED, WORKING, SERVED, ENDED, UNRECORDED] = [id(1), id(2), id(3), id(4), id(5)];

const put = async ({ store }: Embedded, run: string, changes: Partial<Run> = {}) => {
  await store.runs.put(run, { ...newRun(run, submission("a"), 0), ...changes }, 0);
};

test("cleanData ends the runs of processes that are gone, and removes only what they and ended runs have left", async () => {
  await using folder = await temporaryFolder();
  const open = (scope: string) => openEmbedded({ folder: folder.path, scope });
  {
    await using killed = await open(KILLED);
    await using _ = await open(UNRECORDED);
    await put(killed, KILLED);
  }
  await using working = await open(WORKING);
  await put(working, WORKING);
  await using embedded = await open("gc");
  await put(embedded, SERVED);
  await put(embedded, ENDED, { outcome: "succeeded", endedAt: 1 });
  const fake = fakeDocker();
  for (const run of [KILLED, WORKING, SERVED, ENDED, UNRECORDED]) {
    fake.add(idleName(run), runLabels(embedded.owner, run));
  }
  const names = (...runs: string[]) => runs.map(idleName).sort();
  const left = () => [...fake.containers.values()].map(({ name }) => name).sort();
  await using engine = await startEngine(embedded);
  const parts = { embedded, engine, docker: fake.docker, signal: new AbortController().signal };
  const outcome = async (run: string) => (await embedded.store.runs.get(run))?.value.outcome;

  const young = await cleanData({ ...parts, dryRun: true, olderThanMs: 2_000_000 });
  assert.deepEqual([young.ended, young.removed], [[KILLED], []]);

  const dry = await cleanData({ ...parts, dryRun: true });
  assert.deepEqual([dry.ended, dry.removed.toSorted()], [[KILLED], names(KILLED, ENDED, UNRECORDED)]);
  assert.equal(fake.containers.size, 5);
  assert.equal(await outcome(KILLED), undefined);
  assert.deepEqual(embedded.deadScopes().toSorted(), [KILLED, UNRECORDED]);

  const done = await cleanData(parts);
  assert.deepEqual([done.ended, done.removed.toSorted()], [[KILLED], names(KILLED, ENDED, UNRECORDED)]);
  assert.deepEqual(left(), names(WORKING, SERVED));
  assert.deepEqual(await Promise.all([KILLED, WORKING, SERVED].map(outcome)), [
    "failed",
    undefined,
    undefined,
  ]);
  assert.deepEqual(embedded.deadScopes(), []);
});

test("cleanUp gives a daemon up that does not answer, and says how to remove what is left", async () => {
  await using folder = await temporaryFolder();
  await using log = await captureLog();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "run" });
  await using engine = await startEngine(embedded);
  await put(embedded, ENDED, { outcome: "succeeded", endedAt: 1 });
  const fake = fakeDocker();
  fake.add(idleName(ENDED), runLabels(embedded.owner, ENDED));
  const asked = Promise.withResolvers<AbortSignal | undefined>();
  const remove: Docker["remove"] = (_, { signal } = {}) => {
    asked.resolve(signal);
    return signal ? abortable(new Promise(() => {}), signal) : new Promise(() => {});
  };
  const parts = { embedded, engine, docker: { ...fake.docker, remove }, folder: folder.path };
  const caches = { maxBytes: undefined, maxAgeMs: undefined };
  const cleaning = cleanUp(Promise.resolve(), { ...parts, caches, command: "flutter-ci gc", patienceMs: 1 });
  const signal = await asked.promise;
  await cleaning[Symbol.asyncDispose]();
  assert.equal(signal?.aborted, true);
  assert.deepEqual(log.lines, [
    `warning: Gave up cleaning up after earlier runs: Docker does not finish removing ${idleName(ENDED)}; ` +
    "to remove what is left: flutter-ci gc",
  ]);
});
