import assert from "node:assert/strict";
import { test } from "node:test";
import { Garbage } from "../../lib/base/garbage.ts";

const MIB = 1024 ** 2;

test("Garbage is collected each 64 MiB, and less often while the heap is large", () => {
  let [bytes, heapBytes] = [0, 10 * MIB];
  const collectedAt: number[] = [];
  const garbage = new Garbage({ collect: () => collectedAt.push(bytes / MIB), heapBytes: () => heapBytes });
  const pass = (mib: number) => {
    for (const end = bytes + mib * MIB; bytes < end;) {
      bytes += MIB / 2;
      garbage.add(MIB / 2);
    }
  };
  pass(200);
  assert.deepEqual(collectedAt, [64, 128, 192]);
  heapBytes = 50 * MIB;
  pass(160);
  assert.deepEqual(collectedAt.slice(3), [256, 356]);
});

test("Garbage is collected less often from the start where the heap is large by then", () => {
  let count = 0;
  const garbage = new Garbage({ collect: () => count++, heapBytes: () => 50 * MIB });
  garbage.add(99 * MIB);
  assert.equal(count, 0);
  garbage.add(MIB);
  assert.equal(count, 1);
});

test("Garbage has Bun free all that it can, and does without on Deno", () => {
  const { Bun } = globalThis as { Bun?: { gc(force: boolean): void } };
  const calls: boolean[] = [];
  const gc = Bun?.gc;
  if (Bun) Bun.gc = (force) => void calls.push(force);
  try {
    new Garbage({ heapBytes: () => 0 }).add(64 * MIB);
  } finally {
    if (Bun && gc) Bun.gc = gc;
  }
  assert.deepEqual(calls, Bun ? [true] : []);
});
