import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { openOutput } from "../../lib/cli/shared/render/output.ts";

/** A reader that takes nothing until it is told to. */
function slowReader() {
  const chunks: string[] = [];
  const waiting: (() => void)[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _, done) {
      chunks.push(chunk);
      waiting.push(done);
    },
  });
  return { stream, chunks, take: () => waiting.shift()?.() };
}

test("openOutput writes many lines as one chunk, soon, without being asked", async () => {
  const chunks: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _, done) {
      chunks.push(chunk);
      done();
      resolve();
    },
  });
  const out = openOutput(stream);
  for (let i = 0; i < 100; i++) assert.equal(out.write(`${i}\n`), undefined);
  await promise;
  assert.deepEqual(chunks, [Array.from({ length: 100 }, (_, i) => `${i}\n`).join("")]);
});

test("openOutput makes the writer wait for a reader that is behind", async () => {
  const reader = slowReader();
  const out = openOutput(reader.stream);
  const line = `${"x".repeat(1023)}\n`;
  let written = 0;
  let full: Promise<void> | undefined;
  while (!full) {
    full = out.write(line);
    written++;
  }
  assert.equal(written, 64);
  let caughtUp = false;
  full.then(() => caughtUp = true);
  out.write("more\n");
  await new Promise(setImmediate);
  assert.equal(caughtUp, false);
  reader.take();
  await new Promise(setImmediate);
  reader.take();
  await full;
  assert.equal(reader.chunks.join(""), `${line.repeat(64)}more\n`);
});

test("openOutput says once that its reader has gone, and holds nobody up after that", async () => {
  let closed = 0;
  const stream = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    },
  });
  const out = openOutput(stream, { onFailed: () => closed++ });
  out.write("x");
  await out.flush();
  await new Promise(setImmediate);
  for (let i = 0; i < 1000; i++) assert.equal(out.write("y".repeat(1000)), undefined);
  await out.flush();
  assert.equal(closed, 1);
});

test("openOutput leaves nothing on a stream that many outputs share, and tells its failure before that", async () => {
  const failed: string[] = [];
  let code = "";
  const stream = new Writable({
    write(_chunk, _encoding, done) {
      done(code === "" ? undefined : Object.assign(new Error("write"), { code }));
    },
  });
  stream.on("error", () => undefined);
  for (let i = 0; i < 20; i++) {
    const out = openOutput(stream, { onFailed: ({ code = "" }) => failed.push(`early ${code}`) });
    out.write("x");
    await out.close();
  }
  assert.equal(stream.listenerCount("error"), 1);
  code = "EPIPE";
  const last = openOutput(stream, { onFailed: ({ code = "" }) => failed.push(code) });
  last.write("x");
  await last.close();
  assert.deepEqual(failed, ["EPIPE"]);
});
