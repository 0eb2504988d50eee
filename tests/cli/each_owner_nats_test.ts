import assert from "node:assert/strict";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { workForEachOwner } from "../../lib/driver/program/broker/each-owner.ts";
import { freePort } from "../support/nats-server.ts";
import { startConveyor } from "../support/conveyor-server.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

test("a driver works for the new owner when a Conveyor server comes back without its data, and clears the old one's", async () => {
  const ports = { nats: await freePort(), api: await freePort() };
  const first = await startConveyor({ ports });
  await using transport = await openNats({ servers: [first.nats] });
  const ending = new AbortController();
  const working = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  const cleared: string[] = [];
  let n = 0;
  const done = workForEachOwner(transport, {
    everyMs: 5,
    signal: ending.signal,
    work: async ({ owner, isConveyors }, signal) => {
      assert.equal(isConveyors, true);
      working[n++]?.resolve(owner);
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
    clear: ({ owner }) => {
      cleared.push(owner);
      return Promise.resolve();
    },
  });
  const before = await working[0]?.promise;
  await first[Symbol.asyncDispose]();
  await using _second = await startConveyor({ ports });
  const after = await working[1]?.promise;
  assert.notEqual(after, before);
  assert.deepEqual(cleared, [before]);
  ending.abort();
  await done;
});
