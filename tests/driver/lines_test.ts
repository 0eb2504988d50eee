import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { LineCutter, MAX_LINE_BYTES } from "../../lib/driver/log/lines.ts";
import { maskOf } from "../../lib/driver/log/mask/mask.ts";

interface Options {
  secrets?: Record<string, string>;
  clock?: () => number;
}

/** The lines that come of these pieces, the last one ended. */
function linesOf(pieces: Uint8Array[], options: Options = {}): string[] {
  return cut(pieces, options).map((line) => line.text);
}

function cut(
  pieces: Uint8Array[],
  { secrets = {}, clock = () => 0 }: Options,
): { text: string; goesOn: boolean }[] {
  const lines: { text: string; goesOn: boolean }[] = [];
  const cutter = new LineCutter({
    mask: maskOf(secrets),
    clock,
    take: (bytes, start, end, goesOn) =>
      lines.push({ text: Buffer.from(bytes.subarray(start, end)).toString(), goesOn }),
  });
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) at = cutter.feed(piece, at, () => false);
  }
  cutter.flush();
  return lines;
}

/** `bytes` in pieces that end at these places. */
function split(bytes: Uint8Array, places: number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...ends].map((start, i) => bytes.subarray(start, ends[i] ?? bytes.length));
}

/** What is promised, said simply: the clock stands still, so one overwritten text is shown and no other. */
function expected(text: string): string[] {
  let shown = false;
  const lines = text.split("\n").map((line) => line.replace(/\r+$/, ""));
  if (lines.at(-1) === "") lines.pop();
  return lines.flatMap((line) => {
    const states = line.split(/\r+/);
    const last = states.pop() ?? "";
    const overwritten = shown ? [] : states.filter((state) => state !== "").slice(0, 1);
    shown ||= overwritten.length > 0;
    return [...overwritten, last];
  });
}

const text = fc.array(
  fc.constantFrom("a", "bc", "\n", "\r", "\r\n", "ü", "€", "😀", "\u0000", "\u001b[1m", " "),
  { maxLength: 40 },
).map((parts) => parts.join(""));
const places = fc.array(fc.nat(200), { maxLength: 12 });

test("LineCutter gives the same lines wherever the output was cut", () => {
  fc.assert(fc.property(text, places, (text, places) => {
    assert.deepEqual(linesOf(split(Buffer.from(text), places)), expected(text));
  }));
});

test("LineCutter keeps empty lines and the last line without its newline", () => {
  assert.deepEqual(linesOf([Buffer.from("a\n\n\nb")]), ["a", "", "", "b"]);
});

test("LineCutter takes a carriage return before a newline as part of it, also when they come apart", () => {
  assert.deepEqual(linesOf([Buffer.from("a\r"), Buffer.from("\nb\r\r\n")]), ["a", "b"]);
});

test("LineCutter shows a line that is overwritten once a second, and always what stands there last", () => {
  let now = 0;
  const pieces = Array.from({ length: 100 }, (_, i) => Buffer.from(`\r${i} %`));
  const lines: string[] = [];
  const cutter = new LineCutter({
    mask: maskOf({}),
    clock: () => now,
    take: (bytes, start, end) => lines.push(Buffer.from(bytes.subarray(start, end)).toString()),
  });
  for (const piece of pieces) {
    cutter.feed(piece, 0, () => false);
    now += 50;
  }
  cutter.feed(Buffer.from(", done\n"), 0, () => false);
  assert.deepEqual(lines, ["0 %", "20 %", "40 %", "60 %", "80 %", "99 %, done"]);
});

test("LineCutter gives a line that is too long in pieces of at most 64 KiB that lose nothing", () => {
  const long = "€".repeat(100_000);
  const pieces = cut(split(Buffer.from(`a\n${long}\nb\n`), [1, 70_000, 70_001, 200_000]), {});
  assert.equal(pieces.length, 7);
  assert.deepEqual(pieces.map((piece) => piece.goesOn), [false, true, true, true, true, false, false]);
  assert.equal(pieces.slice(1, -1).map((piece) => piece.text).join(""), long);
  for (const piece of pieces) assert.ok(Buffer.byteLength(piece.text) <= MAX_LINE_BYTES);
});

test("LineCutter masks a secret in a long line wherever the line is cut", () => {
  const secrets = { TOKEN: "swordfish-4711", OTHER: "4711-swordfish" };
  const around = fc.nat(40).map((n) => MAX_LINE_BYTES - 20 + n);
  const hidden = fc.constantFrom("swordfish-4711", "4711-swordfish", "swordfish-4711-swordfish-4711");
  fc.assert(
    fc.property(around, hidden, fc.array(fc.nat(140_000), { maxLength: 3 }), (at, secret, places) => {
      const line = "x".repeat(at) + secret + "y".repeat(70_000);
      const pieces = cut(split(Buffer.from(line), places), { secrets });
      const joined = pieces.map((piece) => piece.text).join("");
      assert.equal(joined.replace(/(\*\*\*)+/, "|"), `${"x".repeat(at)}|${"y".repeat(70_000)}`);
    }),
    { numRuns: 40 },
  );
});

test("LineCutter masks a long line that is nothing but one secret after another", () => {
  const pieces = cut([Buffer.from("aaaa".repeat(50_000))], { secrets: { A: "aaa" } });
  assert.deepEqual([...new Set(pieces.map((piece) => piece.text))], ["***"]);
});

test("LineCutter stops when it is told that there is no room, and goes on where it stopped", () => {
  const lines: string[] = [];
  const cutter = new LineCutter({
    mask: maskOf({}),
    clock: () => 0,
    take: (bytes, start, end) => lines.push(Buffer.from(bytes.subarray(start, end)).toString()),
  });
  const chunk = Buffer.from("one\ntwo\nthree\n");
  const after = cutter.feed(chunk, 0, () => lines.length === 1);
  assert.deepEqual([after, lines], [4, ["one"]]);
  assert.equal(cutter.feed(chunk, after, () => false), chunk.length);
  assert.deepEqual(lines, ["one", "two", "three"]);
});

test("LineCutter asks for room within a huge line", () => {
  let asked = 0;
  const cutter = new LineCutter({ mask: maskOf({}), clock: () => 0, take: () => {} });
  const chunk = Buffer.alloc(10 * MAX_LINE_BYTES, "x");
  assert.ok(cutter.feed(chunk, 0, () => ++asked === 2) <= 2 * MAX_LINE_BYTES);
});
