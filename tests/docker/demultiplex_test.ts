import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Retryable } from "../../lib/base/errors.ts";
import { demultiplex } from "../../lib/docker/demultiplex.ts";
import type { OutputChunk } from "../../lib/docker/docker.ts";

type Frame = readonly [stream: 1 | 2, payload: Uint8Array];

function encode(frames: readonly Frame[]): Buffer {
  return Buffer.concat(frames.flatMap(([stream, payload]) => {
    const header = Buffer.alloc(8);
    header[0] = stream;
    header.writeUInt32BE(payload.length, 4);
    return [header, payload];
  }));
}

async function* pieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    // A copy: what is read is used up.
    yield bytes.slice(start, end);
    start = end;
  }
}

/**
 * All that was written, in its order: neighbours of one stream are one text, whatever chunks they came in.
 */
function runs(chunks: readonly { stream: string; data: Uint8Array }[]): string[] {
  const texts: { stream: string; data: Uint8Array[] }[] = [];
  for (const { stream, data } of chunks) {
    if (data.length === 0) continue;
    const last = texts.at(-1);
    if (last?.stream === stream) last.data.push(data);
    else texts.push({ stream, data: [data] });
  }
  return texts.map(({ stream, data }) => `${stream} ${Buffer.concat(data).toString("base64")}`);
}

const read = (bytes: Uint8Array, cuts: readonly number[] = []): Promise<OutputChunk[]> =>
  Array.fromAsync(demultiplex(pieces(bytes, cuts)));

test("demultiplex gives the same output wherever the stream is cut", async () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.integer({ min: 8000, max: 40_000 }).map((length) => new Uint8Array(length).map((_, i) => i % 251)),
  );
  const frame = fc.tuple(fc.constantFrom(1 as const, 2 as const), payload);
  await fc.assert(
    fc.asyncProperty(
      fc.array(frame, { maxLength: 12 }),
      fc.array(fc.nat({ max: 200_000 }), { maxLength: 20 }),
      async (frames, cuts) => {
        const expected = runs(
          frames.map(([stream, data]) => ({ stream: stream === 1 ? "stdout" : "stderr", data })),
        );
        assert.deepEqual(runs(await read(encode(frames), cuts)), expected);
      },
    ),
    { numRuns: 300 },
  );
});

test("demultiplex reads a stream that comes byte by byte", async () => {
  const bytes = encode([[1, Buffer.from("out")], [2, Buffer.from("err")], [1, Buffer.from("more")]]);
  const chunks = await read(bytes, bytes.keys().toArray());
  assert.deepEqual(
    runs(chunks),
    runs([
      { stream: "stdout", data: Buffer.from("out") },
      { stream: "stderr", data: Buffer.from("err") },
      { stream: "stdout", data: Buffer.from("more") },
    ]),
  );
});

test("demultiplex joins the small frames of one piece into one chunk", async () => {
  const frames = Array.from({ length: 1000 }, (_, i): Frame => [1, Buffer.from(`line ${i}\n`)]);
  assert.equal((await read(encode(frames))).length, 1);
});

test("demultiplex joins large payloads where they lie, without another buffer", async () => {
  const frames: Frame[] = [[1, Buffer.alloc(32_768, "a")], [1, Buffer.alloc(32_768, "b")]];
  const bytes = encode(frames);
  const chunks = await Array.fromAsync(demultiplex((async function* () {
    yield bytes;
  })()));
  assert.deepEqual(chunks.map(({ data }) => data.length), [65_536]);
  for (const { data } of chunks) assert.equal(data.buffer, bytes.buffer);
});

test("demultiplex hands on a part of a payload before the rest has come", async () => {
  const bytes = encode([[1, Buffer.from("first and rest")]]);
  const rest = Promise.withResolvers<void>();
  const chunks = demultiplex((async function* () {
    yield bytes.slice(0, 13);
    await rest.promise;
    yield bytes.slice(13);
  })());
  const first = await chunks.next();
  assert.equal(Buffer.from(first.value?.data ?? []).toString(), "first");
  rest.resolve();
  assert.equal(Buffer.from((await chunks.next()).value?.data ?? []).toString(), " and rest");
});

for (
  const [what, header] of [
    ["another stream than stdout and stderr", [0, 0, 0, 0, 0, 0, 0, 1]],
    ["a stream number of text", [...Buffer.from("HTTP/1.1")]],
    ["bytes that should be zero", [1, 0, 1, 0, 0, 0, 0, 1]],
    ["a length of 4 GiB", [1, 0, 0, 0, 255, 255, 255, 255]],
    ["a length just over 16 MiB", [2, 0, 0, 0, 1, 0, 0, 1]],
  ] as const
) {
  test(`demultiplex refuses a header with ${what}, after what came before it`, async () => {
    const bytes = Buffer.concat([encode([[1, Buffer.from("good")]]), Buffer.from(header), Buffer.from("x")]);
    const seen: OutputChunk[] = [];
    const reading = (async () => {
      // The good part comes in a piece of its own.
      for await (const chunk of demultiplex(pieces(bytes, [12]))) seen.push(chunk);
    })();
    await assert.rejects(reading, (error) => {
      assert.ok(error instanceof Retryable);
      assert.equal(error.reason, "docker-unreachable");
      assert.match(error.message, new RegExp(`"${Buffer.from(header).toString("hex")}"`));
      return true;
    });
    assert.deepEqual(runs(seen), runs([{ stream: "stdout", data: Buffer.from("good") }]));
  });
}

test("demultiplex takes a frame of exactly 16 MiB", async () => {
  const chunks = await read(encode([[1, new Uint8Array(16 * 1024 * 1024)]]));
  assert.equal(chunks.reduce((size, { data }) => size + data.length, 0), 16 * 1024 * 1024);
});

test("demultiplex refuses a stream that ends inside a header or a payload", async () => {
  const bytes = encode([[1, Buffer.from("abc")]]);
  for (let length = 1; length < bytes.length; length++) {
    await assert.rejects(read(bytes.subarray(0, length)), Retryable, `cut after ${length} bytes`);
  }
  assert.deepEqual(await read(new Uint8Array()), []);
});
