import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_MESSAGE_BYTES } from "../../../lib/backend/transport.ts";
import { InputError } from "../../../lib/base/errors.ts";
import { type Open, pull, spec, text } from "./opened.ts";

export function publishing(name: string, open: Open): void {
  test(`${name}: publish carries bytes, subject, id and headers unchanged`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const data = Uint8Array.from({ length: 256 }, (_, i) => i);
    const headers = { "Conveyor-Claims": "1", "Conveyor-Step": "git cloner: 2" };
    await using puller = pull(transport, spec("a", ["resources.t"]));
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    const stored = await transport.publish("resources.t", data, { id: "run/step/1@host", headers });
    const delivery = await puller.next();
    assert.deepEqual(stored, { duplicate: false });
    assert.deepEqual(new Uint8Array(delivery.data), data);
    assert.equal(delivery.subject, "resources.t");
    assert.equal(delivery.id, "run/step/1@host");
    assert.deepEqual({ ...delivery.headers }, headers);
    assert.equal(delivery.deliveries, 1);
  });

  test(`${name}: publish sends text as UTF-8, and a message without id or headers has none`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    await transport.publish("resources.t", "Zürich 🏗");
    await transport.publish("resources.t", "");
    await using puller = pull(transport, spec("a", ["resources.t"]));
    const first = await puller.next();
    assert.equal(text(first), "Zürich 🏗");
    assert.equal(first.id, undefined);
    assert.deepEqual({ ...first.headers }, {});
    assert.equal((await puller.next()).data.length, 0);
  });

  test(`${name}: publish stores the same id in the same stream once, and says so`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const other = await opened.another();
    await transport.ensureConsumer(spec("a", ["resources.*"]));
    assert.deepEqual(await transport.publish("resources.t", "1", { id: "x" }), { duplicate: false });
    assert.deepEqual(await other.publish("resources.u", "2", { id: "x" }), { duplicate: true });
    assert.deepEqual(await transport.publish("pipelines.driver.result", "3", { id: "x" }), {
      duplicate: false,
    });
    assert.deepEqual(await transport.publish("resources.t", "4"), { duplicate: false });
    assert.deepEqual(await transport.publish("resources.t", "4"), { duplicate: false });
    await using puller = pull(transport, spec("a", ["resources.*"]));
    const seen = [await puller.take(), await puller.take(), await puller.take()].map(text);
    assert.deepEqual(seen, ["1", "4", "4"]);
  });

  test(`${name}: publish answers duplicate for an id whose message is already done`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await using puller = pull(transport, spec("a", ["resources.t"]));
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    await transport.publish("resources.t", "1", { id: "x" });
    await puller.take();
    assert.deepEqual(await transport.publish("resources.t", "again", { id: "x" }), { duplicate: true });
    await transport.publish("resources.t", "2", { id: "y" });
    assert.equal(text(await puller.take()), "2");
  });

  test(`${name}: publish does not keep an event that no consumer wants`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("other", ["drivers.other.resources.t"]));
    await transport.publish("resources.t", "unwanted", { id: "unwanted" });
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    await transport.publish("resources.t", "wanted", { id: "wanted" });
    await using puller = pull(transport, spec("a", ["resources.t"]));
    assert.equal(text(await puller.next()), "wanted");
    assert.equal(await transport.holds("messages", "unwanted"), false);
  });

  test(`${name}: publish keeps for a consumer what comes while no instance of it runs`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    {
      await using puller = pull(transport, spec("a", ["resources.t"]));
      await transport.publish("resources.t", "1");
      assert.equal(text(await puller.take()), "1");
    }
    await transport.publish("resources.t", "2");
    await using puller = pull(await opened.another(), spec("a", ["resources.t"]));
    assert.equal(text(await puller.take()), "2");
  });

  test(`${name}: publish keeps for the engine what comes before its consumer is made`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.publish("pipelines.pipeline.init", "1");
    await transport.publish("pipelines.driver.result", "2");
    await using puller = pull(transport, {
      stream: "pipeline-engine",
      name: "pipeline-engine",
      filters: ["pipelines.>"],
      ackWaitMs: 60_000,
    });
    assert.deepEqual([text(await puller.take()), text(await puller.take())], ["1", "2"]);
  });

  test(`${name}: publish keeps log batches whoever has read them`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.publish("logs.run", "line", { id: "run/step/1/1" });
    for (const reader of ["first", "second"]) {
      await using puller = pull(transport, {
        stream: "logs-engine",
        name: reader,
        filters: ["logs.run"],
        ackWaitMs: 60_000,
      });
      assert.equal(text(await puller.take()), "line");
    }
  });

  test(`${name}: publish takes a message up to the limit and refuses one over it`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    const tooLarge = { name: "InputError", message: /1048576|1 MiB/ };
    await assert.rejects(transport.publish("resources.t", new Uint8Array(MAX_MESSAGE_BYTES + 1)), tooLarge);
    await assert.rejects(
      transport.publish("resources.t", new Uint8Array(MAX_MESSAGE_BYTES - 10), {
        headers: { Note: "x".repeat(100) },
      }),
      tooLarge,
    );
    await assert.rejects(transport.publish("resources.t", "€".repeat(MAX_MESSAGE_BYTES / 2)), tooLarge);
    await transport.publish("resources.t", new Uint8Array(MAX_MESSAGE_BYTES - 1024), { id: "large" });
    await using puller = pull(transport, spec("a", ["resources.t"]));
    assert.equal((await puller.next()).data.length, MAX_MESSAGE_BYTES - 1024);
  });

  test(`${name}: publish refuses what is no subject of a stream`, async () => {
    await using opened = await open();
    for (const subject of ["", "elsewhere.t", "resources", "resources.", "resources.*", "resources.>"]) {
      await assert.rejects(opened.transport.publish(subject, "x"), InputError, JSON.stringify(subject));
    }
    for (const subject of ["resources.a b", "resources..t", "resources.a\r\nPUB x", "resources.\t"]) {
      await assert.rejects(opened.transport.publish(subject, "x"), InputError, JSON.stringify(subject));
    }
  });

  test(`${name}: publishAll stores messages in their order, as they are, and each id once`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    await transport.publish("resources.t", "before", { id: "2" });
    await transport.publishAll("resources.t", [
      { data: "first", id: "1", headers: { Note: "one" } },
      { data: "known", id: "2" },
      { data: new TextEncoder().encode("third") },
      { data: "again", id: "1" },
    ]);
    await transport.publishAll("resources.t", []);
    await using puller = pull(await opened.another(), spec("a", ["resources.t"]));
    const seen = [await puller.take(), await puller.take(), await puller.take()];
    assert.deepEqual(seen.map(text), ["before", "first", "third"]);
    assert.deepEqual(seen.map(({ id }) => id), ["2", "1", undefined]);
    assert.deepEqual({ ...seen[1]?.headers }, { Note: "one" });
    await transport.publish("resources.t", "after");
    assert.equal(text(await puller.take()), "after");
  });

  test(`${name}: publishAll stores nothing that comes after what it refuses`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    const large = { data: new Uint8Array(MAX_MESSAGE_BYTES + 1) };
    await assert.rejects(transport.publishAll("resources.t", [large, { data: "late" }]), InputError);
    await assert.rejects(transport.publishAll("resources.*", [{ data: "x" }]), InputError);
    await transport.publish("resources.t", "next");
    await using puller = pull(transport, spec("a", ["resources.t"]));
    assert.equal(text(await puller.take()), "next");
  });

  test(`${name}: publish keeps the order in which it was called`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.*", "drivers.a.resources.*"]));
    const sent = Array.from({ length: 60 }, (_, i) => String(i));
    for (const i of sent) {
      await transport.publish(Number(i) % 2 ? "resources.t" : "drivers.a.resources.t", i);
    }
    await using puller = pull(await opened.another(), spec("a", ["resources.*", "drivers.a.resources.*"]));
    const seen: string[] = [];
    while (seen.length < sent.length) seen.push(text(await puller.take()));
    assert.deepEqual(seen, sent);
  });
}
