import assert from "node:assert/strict";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import { Retryable } from "../../lib/base/errors.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { hostile } from "./hostile.ts";
import { spec, within } from "./transport-conformance/opened.ts";

const A = spec("a", ["resources.t"], 200);
const IDS = Array.from({ length: 40 }, (_, i) => `run/step/${i + 10}`);

test("hostile does the same to the same messages for the same seed, and something else for another", async () => {
  const [first, same, other] = [await deliveries(7), await deliveries(7), await deliveries(8)];
  assert.deepEqual(same.byId, first.byId);
  assert.notDeepEqual(other.byId, first.byId);
});

test("hostile repeats deliveries, loses some, brings them in another order, and fails acks", async () => {
  const { byId, order, failedAcks } = await deliveries(7);
  const counts = [...byId.values()];
  assert.ok(counts.some((numbers) => numbers.length > 1), "some message is handed out twice");
  assert.ok(counts.some((numbers) => numbers[0] !== 1), "some message is lost on its first way");
  assert.ok(counts.some((numbers) => numbers.length === 1 && numbers[0] === 1), "some message is left alone");
  assert.notDeepEqual(order, order.toSorted(), "some message comes after a later one");
  assert.ok(failedAcks > 0, "some ack fails");
});

test("hostile makes calls fail before and after they had their effect, never twice in a row", async () => {
  await using opened = await embedded();
  await opened.transport.ensureConsumer(A);
  const transport = hostile(opened.transport, 7);
  const stored = new Set<string>();
  const failures = { before: 0, after: 0 };
  for (const id of IDS) {
    for (let tries = 1;; tries++) {
      assert.ok(tries <= 2);
      try {
        const { duplicate } = await transport.publish("resources.t", id, { id });
        assert.equal(duplicate, stored.has(id));
        break;
      } catch (error) {
        assert.ok(error instanceof Retryable);
        const isStored = await opened.transport.holds("messages", id);
        if (isStored) stored.add(id);
        failures[isStored ? "after" : "before"]++;
      }
    }
  }
  assert.ok(failures.before > 0 && failures.after > 0, JSON.stringify(failures));
  assert.ok(failures.before + failures.after < IDS.length / 2);
});

test("hostile drops some broadcasts and passes others on", async () => {
  await using opened = await embedded();
  const transport = hostile(opened.transport, 7);
  const heard = new Set<string>();
  const told = new Set<string>();
  const listen = () => transport.listen("live.*", (message) => void heard.add(message.subject));
  await using _listening = await listen().catch(listen);
  await using _told = await opened.transport.listen("live.*", (message) => void told.add(message.subject));
  for (let i = 0; i < 40; i++) await opened.transport.broadcast(`live.${i}`, "x");
  await until(() => told.size === 40, "all broadcasts have come");
  assert.ok(heard.size > 0 && heard.size < 40, `${heard.size} of 40`);
});

/**
 * What a worker sees who acks everything: for each id the delivery numbers, and the ids in the order they
 * came first.
 */
async function deliveries(seed: number) {
  await using opened = await embedded();
  const { transport: calm } = opened;
  await calm.ensureConsumer(A);
  for (const id of IDS) await calm.publish("resources.t", id, { id });
  const byId = new Map<string, number[]>();
  let failedAcks = 0;
  const controller = new AbortController();
  const work = async () => {
    for await (const delivery of hostile(calm, seed).consume(A, { signal: controller.signal })) {
      const id = delivery.id ?? "";
      byId.set(id, [...byId.get(id) ?? [], delivery.deliveries]);
      await delivery.ack().catch(() => failedAcks++);
      if (byId.size < IDS.length) continue;
      const held = await Promise.all(IDS.map((id) => calm.holds("messages", id)));
      if (!held.includes(true)) controller.abort();
    }
  };
  await within(work(), "all messages to be done");
  return { byId: new Map([...byId].sort()), order: [...byId.keys()], failedAcks };
}

async function embedded(): Promise<AsyncDisposable & { readonly transport: Transport }> {
  const folder = await temporaryFolder();
  const opened = await openEmbedded({ folder: folder.path, scope: "up" });
  return {
    transport: opened.transport,
    [Symbol.asyncDispose]: async () => {
      await opened[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
