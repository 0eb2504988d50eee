import assert from "node:assert/strict";
import { test } from "node:test";
import { ArchiveError, unpack, type Wanted } from "../../lib/build/artifacts/unpack.ts";
import { type Entry, entry, tarOf } from "./tar-bytes.ts";

const of = (...entries: Entry[]) => [tarOf(...entries)];
const wanted = (...files: [path: string, size: number][]): Wanted[] =>
  files.map(([path, size]) => ({ name: path, path, size }));

/** What was taken, with modes, and what was not there. */
async function unpacked(chunks: Iterable<Uint8Array>, files: Wanted[], maxEntries = 100) {
  const taken: Record<string, string> = {};
  const { missing, linked } = await unpack(ReadableStream.from(chunks), files, {
    pathOf: (name) => name.replace(/^\.\//, ""),
    maxEntries,
    take: async ({ name }, { mode }, bytes) => {
      taken[name] = `${mode.toString(8)} ${Buffer.concat(await Array.fromAsync(bytes))}`;
    },
  });
  return { taken, missing: missing.map(({ name }) => name), linked: linked.map(({ name }) => name) };
}

test("unpack takes what is wanted, with its bytes and permission bits, however the archive is cut into pieces", async () => {
  const [whole = new Uint8Array()] = of(
    { name: "./a", text: "one", mode: 0o104755 },
    { name: "./b/", type: "5" },
    { name: "./b/c", text: "x".repeat(1000), mode: 0o600 },
    { name: "./empty" },
    { name: "./other", text: "not wanted" },
  );
  const files = wanted(["a", 3], ["b/c", 1000], ["empty", 0], ["gone", 1]);
  for (const length of [1, 7, 511, 512, 513, whole.length]) {
    const pieces = Array.from(
      { length: Math.ceil(whole.length / length) },
      (_, i) => whole.subarray(i * length, (i + 1) * length),
    );
    const { taken, missing } = await unpacked(pieces, files);
    assert.deepEqual(taken, { a: "755 one", "b/c": `600 ${"x".repeat(1000)}`, empty: "644 " });
    assert.deepEqual(missing, ["gone"]);
  }
});

test("unpack tells when a file was modified where that is wanted, and no time that file systems do not take", async () => {
  const [archive = new Uint8Array()] = of(
    { name: "a", mtime: "7346545000" },
    { name: "b", mtime: "7346545000" },
    { name: "zero", mtime: "0" },
    { name: "last", mtime: "77777777777" },
    { name: "negative", mtime: Uint8Array.of(0xff, ...Array(10).fill(0xff), 0xfb) },
    { name: "far", mtime: Uint8Array.of(0x80, 0, 0, 0, 0xff, ...Array(7).fill(0xff)) },
    { name: "none", mtime: "xxxxxxxxxxx" },
  );
  const names = ["a", "b", "zero", "last", "negative", "far", "none"];
  const files = names.map((name) => ({ name, path: name, size: 0, times: name !== "b" }));
  const times: Record<string, number> = {};
  await unpack(ReadableStream.from([archive]), files, {
    pathOf: (name) => name,
    maxEntries: 10,
    take: async ({ name }, { mtime }, bytes) => {
      await Array.fromAsync(bytes);
      if (mtime !== undefined) times[name] = mtime;
    },
  });
  assert.deepEqual(times, { a: 1_000_000_000, zero: 0, last: 8_589_934_591 });
});

test("unpack reads archives that follow each other, and one file as often as it is wanted and comes", async () => {
  const chunks = [
    ...of({ name: "./a", text: "1" }),
    ...of({ name: "./a", text: "1" }, { name: "./a", text: "1" }),
  ];
  const files = [{ name: "a", path: "a", size: 1 }, { name: "again", path: "a", size: 1 }];
  assert.deepEqual((await unpacked(chunks, files)).taken, { a: "644 1", again: "644 1" });
  const linked = of({ name: "./a", text: "1" }, { name: "./b", type: "1", link: "./a" });
  assert.deepEqual((await unpacked(linked, wanted(["a", 1], ["b", 1]))).linked, ["b"]);
});

test("unpack goes by what was asked for: names that lead elsewhere, links and devices come to nothing", async () => {
  const { taken, missing } = await unpacked(
    of(
      { name: "../a", text: "1" },
      { name: "/a", text: "1" },
      { name: "./x/../a", text: "1" },
      { name: ".", type: "5" },
      { name: "", text: "1" },
      { name: "./a", type: "2", link: "/etc/passwd" },
      { name: "./b", type: "3" },
      { name: "./b", type: "4" },
      { name: "./b", type: "6" },
      { name: "./b", type: "S", text: "1" },
      { name: "./b", type: "7", text: "1" },
      { name: "x", type: "x", text: "13 path=../a\n" },
      { name: "./c", text: "2" },
      { name: "x", type: "L", text: "../../../etc/passwd\0" },
      { name: "./c", text: "2" },
      { name: "x", type: "x", text: "-9 path=./c\n" },
      { name: "__proto__", text: "2" },
      { name: "./d", text: "4" },
    ),
    wanted(["a", 1], ["b", 1], ["c", 1], ["d", 1]),
  );
  assert.deepEqual(taken, { d: "644 4" });
  assert.deepEqual(missing, ["a", "b", "c"]);
});

test("unpack refuses another size than the file had, however it is written", async () => {
  const huge = new Uint8Array(12).fill(0xff);
  huge[0] = 0x80;
  const negative = new Uint8Array(12).fill(0xff);
  for (const size of [0, 2, 0o77777777777, huge, negative]) {
    const bytes = of({ name: "./a", text: "1", size });
    await assert.rejects(unpacked(bytes, wanted(["a", 1])), ArchiveError, String(size));
  }
  const pax = of({ name: "x", type: "x", text: "19 size=9999999999\n" }, { name: "./a", text: "1" });
  await assert.rejects(unpacked(pax, wanted(["a", 1])), ArchiveError);
  const big = of({ name: "x", type: "L", size: 0o7777777777 });
  await assert.rejects(unpacked(big, wanted(["a", 1])), ArchiveError);
});

test("unpack refuses an archive that is cut off anywhere, and one that is none", async () => {
  const [whole = new Uint8Array()] = of({ name: "./a", text: "x".repeat(600) });
  for (const length of [1, 511, 513, 1000, 1111]) {
    await assert.rejects(
      unpacked([whole.subarray(0, length)], wanted(["a", 600])),
      ArchiveError,
      String(length),
    );
  }
  for (const bytes of [new Uint8Array(512).fill(0x41), new Uint8Array(700).fill(0xff)]) {
    await assert.rejects(unpacked([bytes], wanted(["a", 600])), ArchiveError);
  }
  assert.deepEqual((await unpacked([], wanted(["a", 1]))).missing, ["a"]);
});

test("unpack stops at the number of entries that was asked for", async () => {
  let made = 0;
  const endless = function* () {
    for (;; made++) yield entry({ name: `./${made}` });
  };
  await assert.rejects(
    unpacked(endless(), wanted(["a", 1]), 1000),
    /^ArchiveError: It has more than 1000 entries/,
  );
  assert.ok(made < 3000);
});

test("unpack throws what the source or who takes a file has thrown", async () => {
  const broken = async function* () {
    yield entry({ name: "./a", text: "1" });
    await Promise.resolve();
    throw new TypeError("The source is gone");
  };
  const options = { pathOf: (name: string) => name.slice(2), maxEntries: 9 };
  const read = async (_: Wanted, __: unknown, bytes: AsyncIterable<Uint8Array>) =>
    void await Array.fromAsync(bytes);
  await assert.rejects(
    unpack(broken(), wanted(["a", 1]), { ...options, take: read }),
    /^TypeError: The source is gone/,
  );
  const full = () => Promise.reject(new TypeError("The store is full"));
  const whole = ReadableStream.from(of({ name: "./a", text: "1" }, { name: "./b", text: "1" }));
  await assert.rejects(
    unpack(whole, wanted(["a", 1]), { ...options, take: full }),
    /^TypeError: The store is full/,
  );
});

test("unpack comes to an end whatever size an entry claims to have", async () => {
  for (const type of ["1", "2", "3", "4", "5", "6"]) {
    const chunks = [tarOf({ name: "./z", text: "xxx", type, size: 3 }, { name: "./a", text: "one" })];
    const ended = await unpacked(chunks, wanted(["a", 3])).catch((error) => error);
    assert.ok(ended instanceof ArchiveError || ended.taken.a === "644 one", type);
  }
});

test("unpack takes an archive of as many entries as there may be, and none with more", async () => {
  const two = () => of({ name: "./a", text: "1" }, { name: "./b", text: "2" });
  assert.deepEqual((await unpacked(two(), wanted(["b", 1]), 2)).taken, { b: "644 2" });
  await assert.rejects(unpacked(two(), wanted(["b", 1]), 1), /It has more than 1 entries/);
});
