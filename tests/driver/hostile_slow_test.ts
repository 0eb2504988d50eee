import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Context } from "../../lib/driver/driver.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { hostile } from "../backend/hostile.ts";
import { paced } from "../support/pace.ts";
import { turns } from "../support/until.ts";
import { type Engine, openStage, type Sent, succeed, until, within } from "./stage.ts";

const ACK_WAIT_MS = paced(400);

/** An engine's part in claims: one attempt at a time, the next one when the last was silent. */
function engine() {
  const steps = new Map<
    string,
    { attempt: number; instance: string; delivery: number; heardAt: number; isDone: boolean }
  >();
  const answer: Engine = ({ step, attempt, instance, delivery }, run) => {
    const key = `${run}/${step}`;
    const now = Date.now();
    const state = steps.get(key);
    if (state?.isDone) return { answer: "done" };
    if (attempt !== undefined) {
      if (state?.attempt !== attempt) return { answer: "stop", reason: "driver-lost" };
      state.heardAt = now;
      return { answer: "go", attempt };
    }
    if (state && state.instance === instance && state.delivery === delivery) {
      return { answer: "go", attempt: state.attempt };
    }
    if (state && now - state.heardAt < ACK_WAIT_MS) return { answer: "wait", retryMs: 30 };
    const granted = (state?.attempt ?? 0) + 1;
    steps.set(key, { attempt: granted, instance, delivery, heardAt: now, isDone: false });
    return { answer: "go", attempt: granted };
  };
  const take = ({ run, headers }: Sent): boolean => {
    const state = steps.get(`${run}/${headers[HEADERS.step]}`);
    if (!state || state.isDone || headers[HEADERS.attempt] !== String(state.attempt)) return false;
    return state.isDone = true;
  };
  return { answer, take };
}

for (const seed of [1, 2]) {
  test(`drivers come through everything that a transport may do to them (seed ${seed})`, async () => {
    const { answer, take } = engine();
    await using stage = await openStage({ engine: answer, through: (transport) => hostile(transport, seed) });
    const working = new Set<string>();
    const reconcile = async (context: Context) => {
      const attempt = `${context.run}/${context.attempt}`;
      assert.ok(!working.has(attempt), "an attempt is worked on once at a time");
      working.add(attempt);
      for (let i = 1; i <= 20; i++) {
        await context.log.write("stdout", new TextEncoder().encode(`${context.attempt}: line ${i}\n`));
        if (i % 7 === 0) await turns(100);
      }
      await context.putArtifact(
        "a",
        (async function* () {
          yield await Promise.resolve(new TextEncoder().encode("a"));
        })(),
      ).catch(() => {});
      working.delete(attempt);
      return succeed(String(context.attempt));
    };
    const instances = [1, 2, 3].map((n) =>
      stage.start(reconcile, { instance: `i${n}`, concurrency: 2, ackWaitMs: ACK_WAIT_MS })
    );
    await Promise.all(instances.map((instance) => instance.ready));
    const runs = Array.from({ length: 12 }, () => randomUUID());
    for (const run of runs) await stage.send({ run });

    const taken = new Map<string, string>();
    while (taken.size < runs.length) {
      const sent = await stage.result();
      if (!take(sent)) continue;
      assert.ok(!taken.has(sent.run));
      assert.equal(sent.result.success, true, sent.result.message);
      taken.set(sent.run, sent.result.message);
    }
    for (const run of runs) {
      await until(
        async () => !await stage.transport.holds("messages", `${run}/build/1`),
        "the event is acked",
      );
      const attempt = taken.get(run) ?? "";
      const lines = (await stage.messages(run)).filter((line) => line.startsWith(`${attempt}: `));
      assert.deepEqual(lines, Array.from({ length: 20 }, (_, i) => `${attempt}: line ${i + 1}`));
    }
    await within(Promise.all(instances.map((instance) => instance.drain(5000))), "the drain");
  });
}
