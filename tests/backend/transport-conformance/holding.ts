import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../support/until.ts";
import { type Open, pull, spec } from "./opened.ts";

export function holding(name: string, open: Open): void {
  test(`${name}: holds is true until every consumer that wants the message is done with it`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const other = await opened.another();
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    await transport.ensureConsumer(spec("b", ["resources.*"]));
    await transport.ensureConsumer(spec("c", ["resources.u"]));
    await transport.publish("resources.t", "1", { id: "run/step/1" });
    const held = async () => [
      await transport.holds("messages", "run/step/1"),
      await other.holds("messages", "run/step/1"),
    ];
    assert.deepEqual(await held(), [true, true]);
    await using a = pull(transport, spec("a", ["resources.t"]));
    const inHand = await a.next();
    assert.deepEqual(await held(), [true, true]);
    await inHand.nak();
    assert.deepEqual(await held(), [true, true]);
    await a.take();
    assert.deepEqual(await held(), [true, true]);
    await using b = pull(other, spec("b", ["resources.*"]));
    await b.take();
    assert.deepEqual(await held(), [false, false]);
  });

  test(`${name}: holds knows messages that somebody else has published, among others`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const other = await opened.another();
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    for (let i = 1; i <= 5; i++) await other.publish("resources.t", "x", { id: `before/${i}` });
    await other.publish("resources.t", "without id");
    await using puller = pull(other, spec("a", ["resources.t"]));
    for (let i = 1; i <= 3; i++) await puller.take();
    assert.equal(await transport.holds("messages", "before/3"), false);
    assert.equal(await transport.holds("messages", "before/4"), true);
    await other.publish("resources.t", "x", { id: "after" });
    assert.equal(await transport.holds("messages", "after"), true);
    await puller.take();
    assert.equal(await transport.holds("messages", "before/4"), false);
    assert.equal(await transport.holds("messages", "before/5"), true);
  });

  test(`${name}: demand tells whether messages on a subject are kept, and whether anybody asks for those that wait`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const other = await opened.another();
    assert.equal(await transport.demand("resources.t"), "none");
    await transport.ensureConsumer(spec("a", ["resources.*"]));
    assert.equal(await transport.demand("resources.t"), "open");
    assert.equal(await transport.demand("drivers.a.resources.t"), "none");
    await transport.publish("resources.t", "1", { id: "one" });
    // A broker counts what a consumer has before itself a moment after it has stored it.
    await until(async () => await transport.demand("resources.t") === "idle");
    await using puller = pull(other, spec("a", ["resources.*"]));
    const inHand = await puller.next();
    assert.equal(await transport.demand("resources.t"), "open");
    await inHand.ack();
    assert.equal(await transport.demand("resources.t"), "open");
  });

  test(`${name}: holds is false for an id that was never published, or not to that stream`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    await transport.publish("resources.t", "1", { id: "here" });
    assert.equal(await transport.holds("messages", "never"), false);
    assert.equal(await transport.holds("pipeline-engine", "here"), false);
    assert.equal(await transport.holds("messages", "here"), true);
  });

  test(`${name}: holds is true for the engine's stream until the engine has acked`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.publish("pipelines.driver.result", "1", { id: "run/step/1" });
    assert.equal(await transport.holds("pipeline-engine", "run/step/1"), true);
    await using puller = pull(transport, {
      stream: "pipeline-engine",
      name: "pipeline-engine",
      filters: ["pipelines.>"],
      ackWaitMs: 60_000,
    });
    await puller.take();
    assert.equal(await transport.holds("pipeline-engine", "run/step/1"), false);
  });

  test(`${name}: holds is true for a log batch only while a consumer of the log has it before itself`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const reader = {
      stream: "logs-engine",
      name: "reader",
      filters: ["logs.r1"],
      ackWaitMs: 60_000,
    } as const;
    await transport.ensureConsumer(reader);
    await transport.publish("logs.r1", "line", { id: "r1/step/1/1" });
    await transport.publish("logs.r2", "line", { id: "r2/step/1/1" });
    assert.equal(await transport.holds("logs-engine", "r1/step/1/1"), true);
    assert.equal(await transport.holds("logs-engine", "r2/step/1/1"), false);
    await using puller = pull(transport, reader);
    await puller.take();
    assert.equal(await transport.holds("logs-engine", "r1/step/1/1"), false);
  });
}
