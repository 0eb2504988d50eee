import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { test } from "node:test";
import { Lifetime } from "../../lib/backend/embedded/lifetime.ts";
import { marks } from "../../lib/backend/embedded/marks.ts";
import { newRun } from "../../lib/engine/core/new-run.ts";
import { Records } from "../../lib/engine/shell/records.ts";
import { Vault } from "../../lib/engine/shell/secrets.ts";
import { Signatures } from "../../lib/engine/shell/signatures.ts";
import { RunClocks } from "../../lib/engine/shell/run-clocks.ts";
import { type Question, serveClaims } from "../../lib/engine/shell/serve-claims.ts";
import { ids } from "../../lib/wire/ids.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { drive } from "./support/drive.ts";
import { submission } from "./support/runs.ts";
import { endOf, openWorld } from "./support/world.ts";

const RUNS = 300;

test("an engine that has seen hundreds of runs to their end keeps of them no more than their records and logs", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  for (const driver of ["a", "b"]) await drive(world, driver);
  const start = await counts(world.folder);
  const runs: string[] = [];
  for (let n = 0; n < RUNS; n++) {
    runs.push(await engine.submit(submission("a b!", { secrets: { TOKEN: "a long secret" } })));
  }
  for (const run of runs) await endOf(engine, run);
  for (const run of runs) await world.store.removeRun(run);
  assert.deepEqual(await counts(world.folder), start);
});

test("serveClaims remembers no silent attempt for longer than its answer is waited for", async () => {
  await using world = await openWorld();
  const { transport, store, sealKey } = world;
  const ackWaitMs = 1000;
  let now = 0;
  const clocks = new RunClocks({ clock: () => now });
  const faultPoint = () => {};
  const ended = () => Promise.resolve();
  const records = new Records({ transport, store, clocks, ackWaitMs, faultPoint, seen: () => {}, ended });
  const vault = new Vault(store, sealKey);
  const time = () => ({ kind: "time", ackWaitMs, hearingSince: 0 }) as const;
  const asked = new Map<string, Question>();
  await using _serving = await serveClaims(
    { transport, records, vault, signatures: new Signatures({ sealKey }), clocks, ackWaitMs, time },
    asked,
  );
  let most = 0;
  for (let n = 0; n < RUNS; n++) {
    const run = randomUUID();
    await records.create(newRun(run, submission("a"), now));
    const digest = (await store.runs.get(run))?.value.steps[0]?.digest;
    const request = { digest, step: "a", event: ids.event(run, "a", 1), delivery: 1, host: "here" };
    const ask = async (instance: string) => {
      const answer = await transport.request(
        subjects.claim(run, "a"),
        JSON.stringify({ ...request, instance }),
        { timeoutMs: 60_000 },
      );
      return JSON.parse(new TextDecoder().decode(answer)).answer;
    };
    assert.equal(await ask("one"), "go");
    now += ackWaitMs + 1;
    assert.equal(await ask("two"), "wait");
    most = Math.max(most, asked.size);
  }
  assert.ok(most > 0 && most <= 4, `${most} of ${RUNS}`);
});

test("marks in memory are forgotten a day after they were written", async () => {
  let now = 0;
  const all = new Map();
  const { readMark, writeMark } = marks(new Lifetime("It"), () => now, all);
  for (let n = 0; n < RUNS; n++) {
    await writeMark(`event ${n}`, "mine", 0);
    now += 3_600_000;
  }
  const last = await readMark(`event ${RUNS - 1}`);
  assert.equal(last?.text, "mine");
  assert.ok(all.size <= 24, `${all.size}`);
  assert.equal(await readMark("event 0"), undefined);
  const anew = await writeMark("event 0", "theirs", 0);
  assert.ok(anew);
  assert.equal(await writeMark("event 0", "mine", anew + 1), undefined);
});

/**
 * How many rows each table has that are about runs. Ids are remembered for their two minutes, without
 * content.
 */
async function counts(folder: string): Promise<Record<string, number>> {
  await Promise.resolve();
  const database = new DatabaseSync(join(folder, "conveyor.db"), { readOnly: true });
  const count = (table: string, where = "1") =>
    Number(database.prepare(`SELECT count(*) AS n FROM ${table} WHERE ${where}`).get()?.["n"]);
  try {
    return {
      runs: count("runs"),
      items: count("items"),
      pending: count("pending"),
      messages: count("messages", "wanted > 0 OR length(data) > 0"),
      logs: count("logs"),
      artifacts: count("artifacts"),
      consumers: count("consumers"),
    };
  } finally {
    database.close();
  }
}
