import assert from "node:assert/strict";
import { test } from "node:test";
import type { Transport } from "../../lib/backend/transport.ts";
import { markOf, takeTurn } from "../../lib/driver/claim/turn.ts";
import type { EventInHand } from "../../lib/driver/understand/event-in-hand.ts";

const NAME = markOf.name("d", "run", "event");

/** Marks in memory; `onNudge` plays the instance that holds the event. */
function world(text: string | undefined, onNudge: (write: (text: string) => void) => void = () => {}) {
  const marks = new Map(text === undefined ? [] : [[NAME, { text, revision: 1 }]]);
  let nudges = 0;
  const write = (text: string) => {
    marks.set(NAME, { text, revision: (marks.get(NAME)?.revision ?? 0) + 1 });
  };
  const transport = {
    readMark: (name: string) => Promise.resolve(marks.get(name)),
    writeMark(name: string, text: string, revision: number) {
      if ((marks.get(name)?.revision ?? 0) !== revision) return Promise.resolve(undefined);
      write(text);
      return Promise.resolve(marks.get(name)?.revision);
    },
    broadcast() {
      nudges++;
      onNudge(write);
      return Promise.resolve();
    },
  } as unknown as Transport;
  const take = (deliveries = 1) => {
    const held = { delivery: { deliveries }, facts: { run: "run", id: "event" }, heartbeatMs: () => 1 };
    const services = { transport, driver: { name: "d" }, instance: "me" };
    return takeTurn(held as unknown as EventInHand, services);
  };
  return { take, write, text: () => marks.get(NAME)?.text, nudges: () => nudges };
}

test("an event that nobody has taken, or that was given back, begins at once", async () => {
  for (const free of [undefined, markOf.free, "me"]) {
    const { take, text, nudges } = world(free);
    const turn = await take(3);
    assert.ok("renew" in turn);
    assert.deepEqual([text(), nudges()], ["me", 0]);
    assert.deepEqual(await turn.renew(), { answer: "go", attempt: 3 });
  }
});

test("an event that was settled is dropped", async () => {
  const settled = await world(markOf.done).take();
  assert.ok("kind" in settled);
  assert.equal(settled.kind, "drop");
});

test("an instance that answers keeps the event, which the other puts off, for longer each time", async () => {
  let n = 0;
  const { take, nudges } = world("other", (write) => write(`other ${++n}`));
  const delays: number[] = [];
  for (const deliveries of [1, 8]) {
    const put = await take(deliveries);
    assert.ok("kind" in put && put.kind === "later", JSON.stringify(put));
    assert.equal(put.why, "Another instance works on it");
    delays.push(put.delayMs);
  }
  assert.ok((delays[1] ?? 0) > (delays[0] ?? 0) && (delays[0] ?? 0) > 0, delays.join());
  assert.equal(nudges(), 2);
});

test("an instance that is silent loses the event, but not at its first delivery", async () => {
  const early = await world("other").take(1);
  assert.ok("kind" in early && early.kind === "later");
  const { take, text } = world("other");
  assert.ok("renew" in await take(2));
  assert.equal(text(), "me");
});

test("an event that is settled, or given back, at the nudge is dropped, or begins", async () => {
  const settled = await world("other", (write) => write(markOf.done)).take(2);
  assert.ok("kind" in settled && settled.kind === "drop");
  const { take, text } = world("other", (write) => write(markOf.free));
  assert.ok("renew" in await take(2));
  assert.equal(text(), "me");
});

test("whoever was taken over hears it at its renewal, and neither frees nor settles the event of another", async () => {
  const { take, write, text } = world(undefined);
  const turn = await take();
  assert.ok("renew" in turn);
  write("other");
  assert.deepEqual(await turn.renew(), { answer: "stop", reason: "driver-lost" });
  await turn.letGo();
  await turn.done();
  assert.equal(text(), "other");
});

test("an event that is given back is free, and one that is done stays done", async () => {
  const given = world(undefined);
  const turn = await given.take();
  assert.ok("letGo" in turn);
  await turn.letGo();
  assert.equal(given.text(), markOf.free);
  const ended = world(undefined);
  const done = await ended.take();
  assert.ok("done" in done);
  await done.done();
  assert.equal(ended.text(), markOf.done);
});
