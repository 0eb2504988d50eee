import assert from "node:assert/strict";
import { test } from "node:test";
import { type Admit, Requests } from "../../lib/driver/take/requests.ts";
import { Slots } from "../../lib/driver/take/slots.ts";
import { turns } from "../support/until.ts";

/** Whether a promise has been settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(() => settled = true, () => settled = true);
  await turns();
  return settled;
}
const never = () => new AbortController().signal;

test("Slots has room for as many events as it has slots, requests included, and settles a few beside them", () => {
  const slots = new Slots(2);
  assert.deepEqual([slots.hasRoom(0), slots.hasRoom(1), slots.hasRoom(2)], [true, true, false]);
  const [one, two] = [slots.take(), slots.take()];
  assert.deepEqual([slots.take(), slots.taken, slots.hasRoom(0)], [undefined, 2, false]);
  one?.free();
  one?.free();
  assert.deepEqual([slots.taken, slots.inHand, slots.hasRoom(0)], [1, 2, true]);
  one?.end();
  two?.end();
  assert.deepEqual([slots.taken, slots.inHand], [0, 0]);
  const unsettled = Array.from({ length: 4 }, () => slots.take());
  for (const slot of unsettled) slot?.free();
  assert.deepEqual([slots.inHand, slots.hasRoom(0)], [2, true]);
  for (let i = 0; i < 2; i++) slots.take()?.free();
  assert.deepEqual([slots.inHand, slots.hasRoom(0)], [4, false]);
});

test("Slots is idle once the last event is settled", async () => {
  const slots = new Slots(1);
  const slot = slots.take();
  const idle = slots.idle();
  slot?.free();
  assert.equal(await isSettled(idle), false);
  slot?.end();
  await idle;
});

test("Requests opens no more requests than there are slots, in the order of the calls", async () => {
  const slots = new Slots(1);
  const requests = new Requests(slots);
  await requests.open(never());
  const opened: string[] = [];
  const [second, third] = ["second", "third"].map((name) =>
    requests.open(never()).then(() => opened.push(name))
  );
  await turns();
  assert.deepEqual(opened, []);
  requests.close();
  await second;
  assert.deepEqual(opened, ["second"]);
  requests.close();
  await third;
  assert.deepEqual(opened, ["second", "third"]);
});

test("Requests tells a failure to admit, and its turn passes to the next", async () => {
  const asked: number[] = [];
  const admit: Admit = (inHand) => {
    asked.push(inHand);
    return asked.length === 1 ? Promise.reject(new Error("Docker is away")) : Promise.resolve(true);
  };
  const requests = new Requests(new Slots(2), admit);
  await assert.rejects(requests.open(never()), /Docker is away/);
  await requests.open(never());
  await requests.open(never());
  assert.deepEqual(asked, [0, 0, 1]);
});

test("Requests asks again where what is in hand has changed meanwhile, and ends with its signal", async () => {
  const slots = new Slots(3);
  const asked: number[] = [];
  const admit: Admit = async (inHand, { signal }) => {
    asked.push(inHand);
    if (asked.length === 2) return true;
    return await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const requests = new Requests(slots, admit);
  const opened = requests.open(never());
  await turns();
  slots.take();
  await opened;
  assert.deepEqual(asked, [0, 1]);
  const ending = new AbortController();
  const opening = requests.open(ending.signal);
  await turns();
  ending.abort(new Error("Draining"));
  await assert.rejects(opening, /Draining/);
  assert.deepEqual(asked, [0, 1, 2]);
});
