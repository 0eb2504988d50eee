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

test("Garbage is collected as far as this runtime can", () => {
  new Garbage().add(128 * MIB);
});
