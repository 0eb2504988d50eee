import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../../lib/base/errors.ts";
import { type Open, pull, spec, text, within } from "./opened.ts";

export function consuming(name: string, open: Open): void {
  test(`${name}: consume delivers what is published later, and only what its filters say`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const filters = ["resources.t", "drivers.a.resources.*", "drivers.a.hosts.h.>"];
    await transport.ensureConsumer(spec("all", ["resources.>", "drivers.>"]));
    await transport.ensureConsumer(spec("a", filters));
    await using puller = pull(transport, spec("a", filters));
    const first = puller.take();
    await transport.publish("resources.u", "no");
    await transport.publish("resources.t.more", "no");
    await transport.publish("drivers.b.resources.t", "no");
    await transport.publish("drivers.a.hosts.h", "no");
    await transport.publish("resources.t", "1");
    await transport.publish("drivers.a.resources.t", "2");
    await transport.publish("drivers.a.hosts.h.resources.t", "3");
    assert.deepEqual([text(await first), text(await puller.take()), text(await puller.take())], [
      "1",
      "2",
      "3",
    ]);
  });

  test(`${name}: consume takes a message only when asked, so that another instance gets the rest at once`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    for (const i of ["1", "2", "3"]) await transport.publish("resources.t", i);
    await using busy = pull(transport, spec("a", ["resources.t"]));
    await using idle = pull(await opened.another(), spec("a", ["resources.t"]));
    const inHand = await busy.next();
    const rest = [await idle.take(), await idle.take()];
    assert.deepEqual(rest.map((delivery) => [text(delivery), delivery.deliveries]), [["2", 1], ["3", 1]]);
    const waiting = idle.take();
    await transport.publish("resources.t", "4");
    assert.equal(text(await waiting), "4");
    await inHand.ack();
    await transport.publish("resources.t", "5");
    assert.equal(text(await busy.take()), "5");
  });

  test(`${name}: consume delivers as many at once as are asked for at once`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await using puller = pull(transport, spec("a", ["resources.t"]));
    const asked = [puller.next(), puller.next(), puller.next()];
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    for (const i of ["1", "2", "3", "4"]) await transport.publish("resources.t", i);
    assert.deepEqual((await Promise.all(asked)).map(text).sort(), ["1", "2", "3"]);
    await using idle = pull(await opened.another(), spec("a", ["resources.t"]));
    assert.equal(text(await idle.next()), "4");
  });

  test(`${name}: consume gives each message to one of the competing instances`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    const sent = Array.from({ length: 80 }, (_, i) => String(i).padStart(2, "0"));
    const seen: string[] = [];
    const { promise: all, resolve } = Promise.withResolvers<void>();
    const controller = new AbortController();
    const work = async (from: typeof transport) => {
      for await (
        const delivery of from.consume(spec("a", ["resources.t"]), { signal: controller.signal })
      ) {
        seen.push(text(delivery));
        await delivery.ack();
        if (seen.length >= sent.length) resolve();
      }
    };
    const other = await opened.another();
    const workers = [work(transport), work(other), work(transport), work(other)];
    await Promise.all(sent.map((i) => transport.publish("resources.t", i, { id: i })));
    await within(all, "all messages");
    controller.abort();
    await within(Promise.all(workers), "the workers");
    assert.deepEqual(seen.sort(), sent);
  });

  test(`${name}: consume gives each of two consumers its own copy`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.*"]));
    await transport.ensureConsumer(spec("b", ["resources.t"]));
    await transport.publish("resources.t", "1");
    await transport.publish("resources.t", "2");
    for (const consumer of [spec("a", ["resources.*"]), spec("b", ["resources.t"])]) {
      await using puller = pull(transport, consumer);
      assert.deepEqual([text(await puller.take()), text(await puller.take())], ["1", "2"]);
    }
  });

  test(`${name}: consume ends when its signal fires, and its place goes to another instance`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await using first = pull(transport, spec("a", ["resources.t"]));
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    await transport.publish("resources.t", "1");
    await first.take();
    const end = first.ended();
    first.stop();
    assert.equal(await end, true);
    assert.equal(await first.ended(), true);
    await using second = pull(await opened.another(), spec("a", ["resources.t"]));
    await transport.publish("resources.t", "2");
    assert.equal(text(await second.next()), "2");
  });

  test(`${name}: consume ends at once where its signal has fired before, or its loop is left`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await using puller = pull(transport, spec("a", ["resources.t"]));
    puller.stop();
    assert.equal(await puller.ended(), true);
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    await transport.publish("resources.t", "1");
    await transport.publish("resources.t", "2");
    const { signal } = new AbortController();
    for await (const delivery of transport.consume(spec("a", ["resources.t"]), { signal })) {
      await delivery.ack();
      break;
    }
    await using next = pull(await opened.another(), spec("a", ["resources.t"]));
    assert.equal(text(await next.next()), "2");
  });

  test(`${name}: ensureConsumer adds filters and takes none away`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.t"]));
    await (await opened.another()).ensureConsumer(spec("a", ["resources.u"]));
    await transport.ensureConsumer(spec("a", ["resources.v", "resources.t"]));
    await using puller = pull(transport, spec("a", ["resources.u"]));
    for (const type of ["t", "u", "v"]) await transport.publish(`resources.${type}`, type);
    const seen = [await puller.take(), await puller.take(), await puller.take()].map(text);
    assert.deepEqual(seen, ["t", "u", "v"]);
  });

  test(`${name}: ensureConsumer takes a filter that covers one it has, and one that is covered`, async () => {
    await using opened = await open();
    const { transport } = opened;
    for (const filter of ["resources.t", "resources.*", "resources.u"]) {
      await transport.ensureConsumer(spec("a", [filter]));
    }
    await transport.publish("resources.t", "t");
    await transport.publish("resources.x", "x");
    await using puller = pull(transport, spec("a", ["resources.t"]));
    assert.deepEqual([text(await puller.take()), text(await puller.take())], ["t", "x"]);
  });

  test(`${name}: ensureConsumer leaves what the consumer has in store`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await transport.ensureConsumer(spec("a", ["resources.t"], 1000));
    await transport.publish("resources.t", "1", { id: "1" });
    await transport.publish("resources.t", "2", { id: "2" });
    await using puller = pull(transport, spec("a", ["resources.t"]));
    const inHand = await puller.next();
    await transport.ensureConsumer(spec("a", ["resources.t", "resources.u"], 2000));
    assert.equal(text(await puller.take()), "2");
    await inHand.ack();
    assert.equal(await transport.holds("messages", "1"), false);
  });

  test(`${name}: ensureConsumer raises the ack wait and never lowers it`, async () => {
    await using opened = await open();
    const { transport } = opened;
    for (const ackWaitMs of [200, 60_000, 200]) {
      await transport.ensureConsumer(spec("raised", ["resources.t"], ackWaitMs));
    }
    await transport.ensureConsumer(spec("short", ["resources.t"], 600));
    await transport.publish("resources.t", "1", { id: "1" });
    await using raised = pull(transport, spec("raised", ["resources.t"], 200));
    await using short = pull(transport, spec("short", ["resources.t"], 600));
    const inHand = await raised.next();
    await short.next();
    let again = false;
    const more = raised.next().then(() => again = true);
    assert.equal((await short.take()).deliveries, 2);
    assert.equal(again, false);
    await inHand.ack();
    await transport.publish("resources.t", "2");
    await more;
  });

  test(`${name}: ensureConsumer refuses a name that is no subject token, and filters that are none`, async () => {
    await using opened = await open();
    const { transport } = opened;
    for (const bad of ["", "a.b", "a b", "a*", "a>", "a/b", "a\\b", "a\tb"]) {
      await assert.rejects(
        transport.ensureConsumer(spec(bad, ["resources.t"])),
        InputError,
        JSON.stringify(bad),
      );
      await using puller = pull(transport, spec(bad, ["resources.t"]));
      await assert.rejects(puller.next(), InputError, JSON.stringify(bad));
    }
    for (
      const filters of [[], [""], ["resources.a b"], ["resources..t"], ["logs.>"], ["resources.>.t"], [
        "drivers.*.resources.t",
        "drivers.a.resources.*",
      ], ["drivers.a.>", "drivers.*.b"]]
    ) {
      await assert.rejects(
        transport.ensureConsumer(spec("a", filters)),
        InputError,
        JSON.stringify(filters),
      );
    }
  });
}
