import assert from "node:assert/strict";
import { test } from "node:test";
import { moment } from "../../support/until.ts";
import { leased, type Open, pull, spec, text } from "./opened.ts";

/** A transport with these messages, each with its text as its id, and who pulls them. */
async function filled(open: Open, texts: readonly string[], ackWaitMs?: number) {
  await using opening = new AsyncDisposableStack();
  const { transport } = opening.use(await open());
  const consumer = spec("a", ["resources.t"], ackWaitMs);
  await transport.ensureConsumer(consumer);
  for (const text of texts) await transport.publish("resources.t", text, { id: text });
  const puller = opening.use(pull(transport, consumer));
  const parts = opening.move();
  return { transport, puller, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

export function leasing(name: string, open: Open): void {
  test(`${name}: a delivery is repeated, to any instance, when its ack wait passes`, () =>
    leased(async (leaseMs) => {
      await using opened = await open();
      const { transport } = opened;
      const consumer = spec("a", ["resources.t"], leaseMs);
      await transport.ensureConsumer(consumer);
      await transport.publish("resources.t", "1", { id: "1", headers: { "Conveyor-Step": "s" } });
      {
        await using lost = pull(transport, consumer);
        assert.equal((await lost.next()).deliveries, 1);
      }
      await using puller = pull(await opened.another(), consumer);
      const second = await puller.next();
      assert.equal(second.deliveries, 2);
      assert.deepEqual([text(second), second.id, second.headers["Conveyor-Step"]], ["1", "1", "s"]);
      assert.equal((await puller.take()).deliveries, 3);
      assert.equal(await transport.holds("messages", "1"), false);
    }));

  test(`${name}: ack ends a delivery for good, and calls after it do nothing`, () =>
    leased(async (leaseMs) => {
      await using filling = await filled(open, ["1", "2"], leaseMs);
      const { transport, puller } = filling;
      const first = await puller.next();
      await first.ack();
      assert.equal(await transport.holds("messages", "1"), false);
      await first.ack();
      await first.nak();
      await first.term("too late");
      await first.working();
      await puller.next();
      const again = await puller.take();
      assert.deepEqual([text(again), again.deliveries], ["2", 2]);
    }));

  test(`${name}: nak brings a message back at once, before what has waited for its ack`, async () => {
    await using filling = await filled(open, ["1"]);
    const { puller } = filling;
    const first = await puller.next();
    await first.nak();
    await first.ack();
    const second = await puller.take();
    assert.deepEqual([text(second), second.deliveries], ["1", 2]);
  });

  test(`${name}: nak with a delay brings a message back after it, not before`, () =>
    leased(async (leaseMs) => {
      await using filling = await filled(open, ["1", "2", "3"]);
      const { puller } = filling;
      const [one, two, three] = [await puller.next(), await puller.next(), await puller.next()];
      await one.nak(2 * leaseMs);
      await two.nak(leaseMs);
      await three.nak();
      const seen = [await puller.take(), await puller.take(), await puller.take()];
      assert.deepEqual(seen.map(text), ["3", "2", "1"]);
      assert.deepEqual(seen.map((delivery) => delivery.deliveries), [2, 2, 2]);
    }));

  test(`${name}: nak with a delay longer than the ack wait holds`, () =>
    leased(async (leaseMs) => {
      await using filling = await filled(open, ["slow", "quick"], leaseMs);
      const { puller } = filling;
      await (await puller.next()).nak(5 * leaseMs);
      for (const deliveries of [1, 2, 3]) {
        const delivery = await puller.next();
        assert.deepEqual([text(delivery), delivery.deliveries], ["quick", deliveries]);
        if (deliveries === 3) await delivery.ack();
      }
      assert.equal(text(await puller.take()), "slow");
    }));

  test(`${name}: term ends a delivery for good`, () =>
    leased(async (leaseMs) => {
      await using filling = await filled(open, ["1", "2"], leaseMs);
      const { transport, puller } = filling;
      const first = await puller.next();
      await first.term("Cannot be understood");
      assert.equal(await transport.holds("messages", "1"), false);
      await first.nak();
      await puller.next();
      const again = await puller.take();
      assert.deepEqual([text(again), again.deliveries], ["2", 2]);
    }));

  test(`${name}: working keeps a delivery from being repeated`, () =>
    leased(async (leaseMs) => {
      await using filling = await filled(open, ["kept", "left"], 2 * leaseMs);
      const { transport, puller } = filling;
      const kept = await puller.next();
      await puller.next();
      const state = { isOver: false };
      const beating = (async () => {
        for (; !state.isOver; await moment()) await kept.working();
      })();
      try {
        for (const deliveries of [2, 3]) {
          const repeated = await puller.next();
          assert.deepEqual([text(repeated), repeated.deliveries], ["left", deliveries]);
          if (deliveries === 3) await repeated.ack();
        }
      } finally {
        state.isOver = true;
        await beating;
      }
      await kept.ack();
      assert.equal(await transport.holds("messages", "kept"), false);
    }));

  test(`${name}: a delivery says its consumer's ack wait, which another instance raises and none lowers`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.t"], 30_000));
    for (const i of ["1", "2"]) await transport.publish("resources.t", i);
    await using puller = pull(transport, spec("a", ["resources.t"], 5000));
    assert.equal((await puller.take()).ackWaitMs, 30_000);
    await (await opened.another()).ensureConsumer(spec("a", ["resources.t"], 50_000));
    await using other = pull(await opened.another(), spec("a", ["resources.t"], 5000));
    assert.equal((await other.take()).ackWaitMs, 50_000);
  });

  test(`${name}: working once only starts the ack wait anew`, () =>
    leased(async (leaseMs) => {
      await using filling = await filled(open, ["1"], leaseMs);
      const { puller } = filling;
      await (await puller.next()).working();
      assert.equal((await puller.take()).deliveries, 2);
    }));

  test(`${name}: what is in hand may be acked after the signal has fired`, async () => {
    await using filling = await filled(open, ["1"]);
    const { transport, puller } = filling;
    const inHand = await puller.next();
    puller.stop();
    assert.equal(await puller.ended(), true);
    assert.equal(await transport.holds("messages", "1"), true);
    await inHand.working();
    await inHand.ack();
    assert.equal(await transport.holds("messages", "1"), false);
  });
}
