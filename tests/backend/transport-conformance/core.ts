import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { ConsumerSpec, Transport } from "../../../lib/backend/transport.ts";
import { Retryable } from "../../../lib/base/errors.ts";
import { until } from "../../support/until.ts";
import { bytes, type Open, pull, spec, within } from "./opened.ts";

/**
 * What a user who tries again and expects repetition can rely on, whatever happens that the contract allows.
 */
export function core(name: string, open: Open): void {
  test(`${name}: no message is lost between competing instances, and none is held in the end`, async () => {
    await using opened = await open();
    const transport = patient(opened.transport);
    const consumer = spec("a", ["resources.t"], 300);
    await transport.ensureConsumer(consumer);
    const sent = Array.from({ length: 40 }, (_, i) => `run/step/${i + 10}`);
    await using workers = work([transport, patient(await opened.another())], consumer, new Set(sent));
    await Promise.all(sent.map((id) => transport.publish("resources.t", id, { id })));
    await within(workers.all, "all messages");
    for (const id of sent) await unheld(transport, id);
  });

  test(`${name}: no message is lost to either of two consumers`, async () => {
    await using opened = await open();
    const transport = patient(opened.transport);
    const [a, b] = [spec("a", ["resources.*"], 300), spec("b", ["resources.t"], 300)];
    await transport.ensureConsumer(a);
    await transport.ensureConsumer(b);
    const sent = Array.from({ length: 25 }, (_, i) => `run/step/${i + 10}`);
    await using first = work([transport], a, new Set(sent));
    await using second = work([transport], b, new Set(sent));
    for (const id of sent) await transport.publish("resources.t", id, { id });
    await within(Promise.all([first.all, second.all]), "all messages on both");
    for (const id of sent) await unheld(transport, id);
  });

  test(`${name}: a message is held until it has been acked, and stays done`, async () => {
    await using opened = await open();
    const transport = patient(opened.transport);
    const consumer = spec("a", ["resources.t"], 300);
    await transport.ensureConsumer(consumer);
    await transport.publish("resources.t", "x", { id: "run/step/1" });
    assert.equal(await transport.holds("messages", "run/step/1"), true);
    await using workers = work([transport], consumer, new Set(["run/step/1"]));
    await within(workers.all, "the message");
    await unheld(transport, "run/step/1");
    await transport.publish("resources.t", "x", { id: "run/step/1" });
    assert.equal(await transport.holds("messages", "run/step/1"), false);
  });

  test(`${name}: a request that is asked again is answered`, async () => {
    await using opened = await open();
    const transport = patient(opened.transport);
    await using _serving = await transport.serve("runs.*.claim", (message) => Promise.resolve(message.data));
    for (const run of ["r1", "r2", "r3", "r4", "r5"]) {
      const answer = await transport.request(`runs.${run}.claim`, run, { timeoutMs: 10_000 });
      assert.equal(new TextDecoder().decode(answer), run);
    }
  });

  test(`${name}: a blob that is stored again is there, whole`, async () => {
    await using opened = await open();
    const run = "fbab31f6-a278-4a8f-96be-ac49b007ca65";
    const data = new Uint8Array(300_000).fill(7);
    for (const name of ["a", "b", "c/d"]) {
      const put = () => opened.transport.putBlob(run, name, bytes(data.subarray(0, 9), data.subarray(9)));
      assert.deepEqual(await again(put), {
        size: data.length,
        sha256: createHash("sha256").update(data).digest("hex"),
      });
      assert.deepEqual(new Uint8Array(await opened.readBlob(run, name) ?? []), data);
    }
  });

  test(`${name}: an iteration that waits ends when its signal fires`, async () => {
    await using opened = await open();
    await using puller = pull(opened.transport, spec("a", ["resources.t"]));
    const end = puller.ended();
    puller.stop();
    assert.equal(await end, true);
  });
}

/** Instances of one consumer that ack whatever they get, `all` resolving once every one of `ids` has come. */
function work(
  instances: Transport[],
  consumer: ConsumerSpec,
  ids: Set<string>,
): AsyncDisposable & { all: Promise<void> } {
  const controller = new AbortController();
  const { promise: all, resolve } = Promise.withResolvers<void>();
  const loops = instances.map(async (transport) => {
    for await (const delivery of transport.consume(consumer, { signal: controller.signal })) {
      ids.delete(delivery.id ?? "");
      await delivery.ack().catch(retryableOnly);
      if (ids.size === 0) resolve();
    }
  });
  return {
    all,
    [Symbol.asyncDispose]: async () => {
      controller.abort();
      await within(Promise.all(loops), "the end of the workers");
    },
  };
}

async function unheld(transport: Transport, id: string): Promise<void> {
  await until(async () => !await transport.holds("messages", id), `message ${id} is done`);
}

function retryableOnly(error: unknown): void {
  if (!(error instanceof Retryable)) throw error;
}

/** The transport as its users are to use it: calls that throw `Retryable` are made again. */
function patient(transport: Transport): Transport {
  return {
    maxMessageBytes: transport.maxMessageBytes,
    publish: (subject, data, options) => again(() => transport.publish(subject, data, options)),
    publishAll: (subject, messages) => again(() => transport.publishAll(subject, messages)),
    broadcast: (subject, data) => again(() => transport.broadcast(subject, data)),
    listen: (subject, handler) => again(() => transport.listen(subject, handler)),
    request: (subject, data, options) => again(() => transport.request(subject, data, options)),
    serve: (subject, handler) => again(() => transport.serve(subject, handler)),
    ensureConsumer: (consumer) => again(() => transport.ensureConsumer(consumer)),
    consume: (consumer, options) => transport.consume(consumer, options),
    demand: (subject) => again(() => transport.demand(subject)),
    holds: (stream, id) => again(() => transport.holds(stream, id)),
    readMark: (name) => again(() => transport.readMark(name)),
    writeMark: (name, text, revision) => again(() => transport.writeMark(name, text, revision)),
    putBlob: (run, name, source, options) => transport.putBlob(run, name, source, options),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

async function again<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await call();
    } catch (error) {
      retryableOnly(error);
      if (tries === 5) throw error;
    }
  }
}
