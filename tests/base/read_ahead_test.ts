import assert from "node:assert/strict";
import { test } from "node:test";
import { readAhead } from "../../lib/base/read-ahead.ts";

/** A stream, and what has happened to it so far. */
function watched(pieces: readonly string[], failure?: Error) {
  const did: string[] = [];
  const stream = (async function* () {
    try {
      for (const piece of pieces) {
        did.push(`made ${piece}`);
        yield piece;
      }
      if (failure) throw failure;
    } finally {
      did.push("ended");
    }
  })();
  return { stream, did };
}

async function all<T>(pieces: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const piece of pieces) found.push(piece);
  return found;
}

test("readAhead makes the first piece at once, no other, and yields all in their order", async () => {
  const { stream, did } = watched(["a", "b", "c"]);
  await using ahead = readAhead(stream);
  assert.deepEqual(did, ["made a"]);
  assert.deepEqual(await all(ahead), ["a", "b", "c"]);
  assert.deepEqual(did, ["made a", "made b", "made c", "ended"]);
  await using nothing = readAhead(watched([]).stream);
  assert.deepEqual(await all(nothing), []);
});

test("readAhead ends a stream that nobody reads, and throws its failure to the reader only", async () => {
  const { stream, did } = watched(["a", "b"]);
  await readAhead(stream)[Symbol.asyncDispose]();
  assert.deepEqual(did, ["made a", "ended"]);
  const failing = readAhead(watched([], new Error("damaged")).stream);
  await assert.rejects(all(failing), /damaged/);
  await failing[Symbol.asyncDispose]();
});
