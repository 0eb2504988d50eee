import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogBatch, Store } from "../../../lib/backend/store.ts";
import { InputError } from "../../../lib/base/errors.ts";
import { HEADERS } from "../../../lib/wire/headers.ts";
import { within } from "../transport-conformance/opened.ts";
import { logOf, messagesOf, type OpenStore, OTHER_RUN, publishBatch, RUN } from "./opened.ts";

export function logs(name: string, open: OpenStore): void {
  test(`${name}: read gives the batches of a run in order, with the number of their first line`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    await publishBatch(transport, ["1", "2", "3"], { step: "clone", id: "a" });
    await publishBatch(transport, ["of another run"], { run: OTHER_RUN });
    await publishBatch(transport, ["4"], { step: "build", attempt: 2, id: "b" });
    await publishBatch(transport, ["5", "6"], { step: "clone" });
    const batches = await all(store, RUN);
    assert.deepEqual(batches.map(({ firstSeq, step, attempt }) => [firstSeq, step, attempt]), [
      [1, "clone", 1],
      [4, "build", 2],
      [5, "clone", 1],
    ]);
    assert.deepEqual(batches.map(messagesOf), [["1", "2", "3"], ["4"], ["5", "6"]]);
    assert.deepEqual(batches[0]?.lines[0], logOf("1", { step: "clone" }));
    assert.equal(await store.logs.count(RUN), 6);
    assert.equal(await store.logs.count(OTHER_RUN), 1);
    assert.equal(await store.logs.count("never"), 0);
    assert.deepEqual(await all(store, "never"), []);
  });

  test(`${name}: read goes on after any batch's cursor`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    for (let i = 1; i <= 40; i++) {
      await publishBatch(transport, [`${i} a`, `${i} b`]);
      if (i % 3 === 0) await publishBatch(transport, ["other"], { run: OTHER_RUN });
    }
    const batches = await all(store, RUN);
    assert.equal(batches.length, 40);
    for (const [i, { cursor }] of batches.entries()) {
      const rest = await all(store, RUN, cursor);
      assert.deepEqual(rest.map(({ firstSeq }) => firstSeq), batches.slice(i + 1).map((b) => b.firstSeq));
    }
  });

  test(`${name}: read refuses a cursor that no batch had`, async () => {
    await using opened = await open();
    for (const after of ["", "x", "-1", "1 OR 1=1", "9".repeat(400)]) {
      await assert.rejects(all(opened.store, RUN, after), InputError, JSON.stringify(after));
    }
  });

  test(`${name}: read gives lines of any text and size back as they were`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    const odd = [
      "",
      " ",
      "\u0000\u001b[31m",
      "Zürich 🏗",
      "\ud800",
      '{"a":1}',
      "a\\nb",
      "\u2028\u2029",
      "<script>",
    ];
    const long = Array.from({ length: 2000 }, (_, i) => `${i} ${"x".repeat(300)}`);
    await publishBatch(transport, odd);
    await publishBatch(transport, long);
    assert.deepEqual((await all(store, RUN)).map(messagesOf), [odd, long]);
  });

  test(`${name}: read takes a message without our headers for one line of somebody else's`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    await transport.publish(
      `logs.${RUN}`,
      JSON.stringify(
        { runid: RUN, driver: "go-driver", timestamp: "2026-01-01T00:00:00Z", message: "hello" },
        null,
        2,
      ),
    );
    await publishBatch(transport, ["ours"]);
    const [foreign, ours] = await all(store, RUN);
    assert.deepEqual(foreign && [foreign.firstSeq, foreign.step, messagesOf(foreign)], [1, "go-driver", [
      "hello",
    ]]);
    assert.equal(ours?.firstSeq, 2);
  });

  test(`${name}: read gives a batch that cannot be parsed as one line that says so, and goes on`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    const line = JSON.stringify(logOf("fine"));
    const bad: [string | Uint8Array, string?][] = [
      ["no JSON", "1"],
      [new Uint8Array([0xff, 0xfe, 0x00]), "1"],
      [`${line}\n{"broken`, "2"],
      [`${line}\n${line}\n`, "3"],
      [`${line}\n${line}\n${line}\n`, "2"],
      ['{"message":"without the rest"}', "1"],
      ["", "1"],
      ["[]"],
      ["null"],
      ["no JSON either"],
    ];
    for (const [data, lines] of bad) {
      await transport.publish(`logs.${RUN}`, data, {
        headers: lines === undefined ? {} : { [HEADERS.lines]: lines, [HEADERS.step]: "build" },
      });
    }
    await publishBatch(transport, ["after"]);
    const batches = await all(store, RUN);
    assert.equal(batches.length, bad.length + 1);
    let next = 1;
    for (const batch of batches.slice(0, -1)) {
      assert.equal(batch.lines.length, 1);
      assert.match(batch.lines[0]?.message ?? "", /cannot read/i);
      assert.equal(batch.lines[0]?.stream, "system");
      assert.ok(batch.firstSeq >= next);
      next = batch.firstSeq + 1;
    }
    const last = batches.at(-1);
    assert.deepEqual(last && messagesOf(last), ["after"]);
    assert.ok(last && last.firstSeq >= next);
  });

  test(`${name}: read with follow goes over into what comes, with no gap and nothing twice`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    const publish = async (from: number, to: number) => {
      for (let i = from; i <= to; i++) await publishBatch(transport, [`${i}`], { id: `run/step/1/${i}` });
    };
    await publish(1, 50);
    const publishing = publish(51, 300);
    const seen = await Promise.all([follow(store, 300), publishing, follow(await opened.another(), 300)]);
    const expected = Array.from({ length: 300 }, (_, i) => `${i + 1} ${i + 1}`);
    assert.deepEqual(seen[0], expected);
    assert.deepEqual(seen[2], expected);
  });

  test(`${name}: read with follow ends when its signal fires, whether something comes or not`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    await publishBatch(transport, ["1"]);
    const controller = new AbortController();
    const { signal } = controller;
    const iterator = store.logs.read(RUN, { follow: true, signal })[Symbol.asyncIterator]();
    assert.equal((await within(iterator.next(), "the batch")).value?.firstSeq, 1);
    const waiting = iterator.next();
    await publishBatch(transport, ["2"]);
    assert.equal((await within(waiting, "the batch that came")).value?.firstSeq, 2);
    const idle = iterator.next();
    controller.abort();
    assert.equal((await within(idle, "the end")).done, true);
    const fired = store.logs.read(RUN, { follow: true, signal })[Symbol.asyncIterator]();
    assert.equal((await within(fired.next(), "the end")).done, true);
  });

  test(`${name}: a batch with an id that was stored already is not stored again`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    await publishBatch(transport, ["1"], { id: "run/step/1/1" });
    await publishBatch(transport, ["1"], { id: "run/step/1/1" });
    await publishBatch(transport, ["2"], { id: "run/step/1/2" });
    assert.deepEqual((await all(store, RUN)).map(messagesOf), [["1"], ["2"]]);
    assert.equal(await store.logs.count(RUN), 2);
  });

  test(`${name}: tail gives the last lines, across batches, of one step if asked`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    for (let i = 1; i <= 30; i++) {
      const step = i % 10 === 0 ? "clone" : "build";
      await publishBatch(transport, [`${step} ${i} a`, `${step} ${i} b`, `${step} ${i} c`], { step });
    }
    const tail = async (count: number, step?: string) =>
      (await store.logs.tail(RUN, count, step)).map(({ message }) => message);
    assert.deepEqual(await tail(4), ["build 29 c", "clone 30 a", "clone 30 b", "clone 30 c"]);
    assert.deepEqual(await tail(4, "build"), ["build 28 c", "build 29 a", "build 29 b", "build 29 c"]);
    assert.deepEqual(await tail(5, "clone"), [
      "clone 20 b",
      "clone 20 c",
      "clone 30 a",
      "clone 30 b",
      "clone 30 c",
    ]);
    assert.equal((await tail(1000)).length, 90);
    assert.equal((await tail(1000))[0], "build 1 a");
    assert.equal((await tail(1000, "clone")).length, 9);
    assert.deepEqual(await tail(0), []);
    assert.deepEqual(await tail(5, "never"), []);
    assert.deepEqual(await store.logs.tail(OTHER_RUN, 5), []);
  });
}

async function all(store: Store, run: string, after?: string): Promise<LogBatch[]> {
  return await Array.fromAsync(store.logs.read(run, after === undefined ? {} : { after }));
}

/** Follows until a line with this text has come; each line as `<seq> <text>`. */
async function follow(store: Store, last: number): Promise<string[]> {
  const seen: string[] = [];
  const controller = new AbortController();
  const following = async () => {
    for await (const batch of store.logs.read(RUN, { follow: true, signal: controller.signal })) {
      seen.push(...batch.lines.map(({ message }, i) => `${batch.firstSeq + i} ${message}`));
      if (messagesOf(batch).includes(String(last))) controller.abort();
    }
  };
  await within(following(), "the last line");
  return seen;
}
