import assert from "node:assert/strict";
import { test } from "node:test";
import { linesOf } from "../../lib/base/lines.ts";

async function lines(pieces: (string | number[])[], hasEnd: boolean): Promise<string[]> {
  const bytes = async function* () {
    for (const piece of pieces) {
      yield await Promise.resolve(
        typeof piece === "string" ? new TextEncoder().encode(piece) : Uint8Array.from(piece),
      );
    }
  };
  return await Array.fromAsync(linesOf(bytes(), { hasEnd }));
}

test("linesOf puts lines together from pieces, also where a character is cut in two", async () => {
  assert.deepEqual(await lines(["a", "b\nc\n\nd", "\n"], true), ["ab", "c", "", "d"]);
  assert.deepEqual(await lines([[0xc3], [0xa4, 0x0a]], true), ["ä"]);
  assert.deepEqual(await lines([], true), []);
});

test("linesOf takes what has no newline for a line only where the text has come to its end", async () => {
  assert.deepEqual(await lines(["a\nb"], true), ["a", "b"]);
  assert.deepEqual(await lines(["a\nb"], false), ["a"]);
});

test("linesOf gives up a line that does not end", async () => {
  const endless = async function* () {
    for (;;) yield await Promise.resolve(new TextEncoder().encode("xxxx"));
  };
  await assert.rejects(Array.fromAsync(linesOf(endless(), { hasEnd: true, most: 100 })), RangeError);
});
