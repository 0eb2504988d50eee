import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { ByteQueue, inPieces, joined, TooLong } from "../../lib/build/artifacts/byte-queue.ts";
import { turns } from "../support/until.ts";

const bytes = (text: string) => Buffer.from(text);
const MIB = 1024 * 1024;

async function restOf(queue: ByteQueue): Promise<string> {
  const chunks = await Array.fromAsync(queue.rest());
  return Buffer.concat(chunks).toString();
}

test("ByteQueue gives texts that end with NUL, however they are cut, then all the rest", async () => {
  const queue = new ByteQueue();
  for (const chunk of ["one\0tw", "o", "\0", "\0rest", " of it"]) await queue.write(bytes(chunk));
  queue.end();
  const texts = [await queue.text(10), await queue.text(10), await queue.text(10)];
  assert.deepEqual(texts, ["one", "two", ""]);
  assert.equal(await restOf(queue), "rest of it");
  assert.equal(await queue.text(10), undefined);
});

test("ByteQueue has no text where the writer ends before the NUL", async () => {
  const queue = new ByteQueue();
  const reading = queue.text(10);
  await queue.write(bytes("half"));
  queue.end();
  assert.equal(await reading, undefined);
});

test("ByteQueue refuses a text that is longer than its reader takes", async () => {
  for (const [text, isTaken] of [["12345\0", true], ["123456\0", false], ["123456", false]] as const) {
    const queue = new ByteQueue();
    await queue.write(bytes(text));
    queue.end();
    if (isTaken) assert.equal(await queue.text(5), "12345");
    else await assert.rejects(queue.text(5), TooLong);
  }
});

test("ByteQueue lets its writer wait while more than a quarter of a mebibyte is unread", async () => {
  const queue = new ByteQueue();
  await queue.write(new Uint8Array(MIB / 4));
  let isWritten = false;
  const writing = queue.write(new Uint8Array(1)).then(() => isWritten = true);
  await turns();
  assert.equal(isWritten, false);
  const reader = queue.rest();
  assert.equal((await reader.next()).value?.length, MIB / 4);
  await writing;
  assert.equal((await reader.next()).value?.length, 1);
});

test("ByteQueue passes large chunks on without copying them, in their order with the small ones", async () => {
  const queue = new ByteQueue();
  const large = [new Uint8Array(70_000).fill(1), new Uint8Array(70_000).fill(2)] as const;
  for (const chunk of [bytes("a"), large[0], bytes("b"), bytes("c"), large[1]]) await queue.write(chunk);
  queue.end();
  const chunks = await Array.fromAsync(queue.rest());
  assert.deepEqual(
    chunks,
    [bytes("a"), large[0], bytes("bc"), large[1]].map((chunk) => new Uint8Array(chunk)),
  );
  assert.equal(chunks[1]?.buffer, large[0].buffer);
});

test("ByteQueue joins what waits, and nothing that was read already", async () => {
  const queue = new ByteQueue();
  for (const text of ["a", "b", "c\0d"]) await queue.write(bytes(text));
  assert.equal(await queue.text(9), "abc");
  await queue.write(bytes("e"));
  const reader = queue.rest();
  const next = async () => Buffer.from((await reader.next()).value ?? []).toString();
  assert.equal(await next(), "de");
  await queue.write(bytes("f"));
  await queue.write(bytes("g"));
  assert.equal(await next(), "fg");
  const large = new Uint8Array(400_000).fill(7);
  await queue.write(bytes("h"));
  const writing = queue.write(large);
  queue.end();
  assert.equal(await next(), "h");
  assert.deepEqual((await reader.next()).value, large);
  await writing;
});

test("joined copies small chunks into larger ones, and passes on all bytes and the error of their source", async () => {
  const reused = bytes("0123456789");
  const source = async function* () {
    for (let i = 0; i < 100_000; i++) yield reused.fill(i % 251);
    await Promise.resolve();
    yield new Uint8Array(MIB).fill(1);
  };
  const chunks = await Array.fromAsync(joined(source()));
  assert.ok(chunks.length <= 6, `${chunks.length}`);
  const all = Buffer.concat(chunks);
  assert.equal(all.length, MIB + 1_000_000);
  for (let i = 0; i < 1_000_000; i++) if (all[i] !== Math.floor(i / 10) % 251) assert.fail(`${i}`);
  const broken = async function* () {
    yield reused;
    await Promise.resolve();
    throw new Error("gone");
  };
  await assert.rejects(Array.fromAsync(joined(broken())), /gone/);
  assert.deepEqual(await Array.fromAsync(joined(inPieces([]))), []);
  const one = await Array.fromAsync(joined(inPieces([bytes("x")])));
  assert.equal(Buffer.concat(one).toString(), "x");
});

test("ByteQueue drops everything once its reader has left, and lets the writer go on", async () => {
  const queue = new ByteQueue();
  const writing = queue.write(new Uint8Array(2 * MIB));
  queue.leave();
  await writing;
  await queue.write(new Uint8Array(2 * MIB));
  assert.equal(await queue.text(10), undefined);
  assert.equal(await restOf(queue), "");
});

test("inPieces yields what is there", async () => {
  assert.deepEqual(await Array.fromAsync(inPieces([bytes("a"), bytes("b")])), [bytes("a"), bytes("b")]);
});
