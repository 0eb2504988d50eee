import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, leased, type Open, pull, spec, text } from "./opened.ts";

export function lifetime(name: string, open: Open): void {
  test(`${name}: dispose ends iterations, keeps what is stored, and twice is fine`, () =>
    leased(async (leaseMs) => {
      await using opened = await open();
      const { transport } = opened;
      const consumer = spec("a", ["resources.t"], leaseMs);
      await transport.ensureConsumer(consumer);
      await transport.publish("resources.t", "in hand");
      await transport.publish("resources.t", "acked");
      await transport.publish("resources.t", "waiting");
      const puller = pull(transport, consumer);
      await puller.next();
      await puller.take();
      const idle = pull(transport, spec("b", ["resources.u"]));
      const ends = idle.ended();
      await Promise.all([transport[Symbol.asyncDispose](), transport[Symbol.asyncDispose]()]);
      await transport[Symbol.asyncDispose]();
      assert.equal(await ends, true);
      assert.equal(await puller.ended(), true);

      await using again = pull(await opened.another(), consumer);
      const seen = [await again.take(), await again.take()];
      assert.deepEqual(
        seen.map((delivery) => `${text(delivery)} ${delivery.deliveries}`).sort(),
        ["in hand 2", "waiting 1"],
      );
    }));

  test(`${name}: every call after dispose throws`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport[Symbol.asyncDispose]();
    const consumer = spec("a", ["resources.t"]);
    const calls: Record<string, () => Promise<unknown>> = {
      publish: () => transport.publish("resources.t", "x"),
      broadcast: () => transport.broadcast("runs.r1.nudge", "x"),
      listen: () => transport.listen("runs.r1.nudge", () => {}),
      request: () => transport.request("runs.r1.claim", "x", { timeoutMs: 100 }),
      serve: () => transport.serve("runs.r1.claim", () => Promise.resolve("x")),
      ensureConsumer: () => transport.ensureConsumer(consumer),
      consume: () => pull(transport, consumer).next(),
      holds: () => transport.holds("messages", "x"),
      putBlob: () => transport.putBlob("fbab31f6-a278-4a8f-96be-ac49b007ca65", "a", bytes("x")),
    };
    for (const [call, run] of Object.entries(calls)) {
      await assert.rejects(run(), { message: /disposed/i }, call);
    }
  });
}
