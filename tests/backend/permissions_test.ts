import assert from "node:assert/strict";
import { test } from "node:test";
import type { NatsConnection } from "@nats-io/transport-node";
import { Retryable } from "../../lib/base/errors.ts";
import { deniedOf } from "../../lib/backend/nats/permissions.ts";

const NEEDS = { publish: ["a"], listen: ["b", "c", "d"] };

/** A connection whose calls fail from the given one on, and what is left open on it. */
function failing({ subscribeAt = Infinity, flushAt = Infinity }) {
  const open = new Set<string>();
  let flushes = 0;
  const connection: Partial<NatsConnection> = {
    subscribe(subject) {
      if (open.size > subscribeAt) throw new Error("bad subject");
      open.add(subject);
      return { unsubscribe: () => void open.delete(subject) } as ReturnType<NatsConnection["subscribe"]>;
    },
    publish: () => {},
    flush: () => ++flushes > flushAt ? Promise.reject(new Error("slow")) : Promise.resolve(),
    status() {
      open.add("status");
      const ended = Promise.withResolvers<IteratorResult<never>>();
      const statuses = {
        stop() {
          open.delete("status");
          ended.resolve({ done: true, value: undefined });
        },
        [Symbol.asyncIterator]: () => ({ next: () => ended.promise }),
      };
      return statuses as unknown as ReturnType<NatsConnection["status"]>;
    },
  };
  return { connection: connection as NatsConnection, open };
}

test("a trial of permissions leaves nothing open on its connection, whatever fails in it", async () => {
  const whole = failing({});
  assert.deepEqual(await deniedOf(whole.connection, NEEDS), { publish: [], listen: [] });
  assert.deepEqual([...whole.open], []);
  for (const flushAt of [0, 1]) {
    const { connection, open } = failing({ flushAt });
    await assert.rejects(deniedOf(connection, NEEDS), Retryable);
    assert.deepEqual([...open], []);
  }
  const { connection, open } = failing({ subscribeAt: 2 });
  await assert.rejects(deniedOf(connection, NEEDS), /bad subject/);
  assert.deepEqual([...open], []);
});
