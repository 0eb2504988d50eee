import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { canonical, hasEscapes, newCanonical, squeeze } from "../../lib/driver/log/mask/canonical.ts";
import { digitColumn } from "../../lib/driver/log/mask/hex-dump.ts";
import { maskOf } from "../../lib/driver/log/mask/mask.ts";

const ESC = "\x1b";
/** What is written, and what it says. */
const WRITTEN: readonly [string, string][] = [
  // Terminal sequences, whichever way they end, and those that the line cuts off.
  [`${ESC}[1;31mab${ESC}[0m`, "ab"],
  [`${ESC}[1@ab${ESC}[1~`, "ab"],
  [`${ESC}]0;title\x07ab`, "ab"],
  [`${ESC}]0;title${ESC}\\ab`, "ab"],
  [`${ESC}Pq${ESC}\\ab`, "ab"],
  [`${ESC}^q\x07ab`, "ab"],
  [`${ESC}_q\x07ab`, "ab"],
  [`${ESC}(Bab`, "ab"],
  [`${ESC}Mab`, "ab"],
  [`ab${ESC}[31`, "ab"],
  [`ab${ESC}]0;ti`, "ab"],
  [`ab${ESC}(`, "ab"],
  [`ab${ESC}`, "ab"],
  // Escapes of C, JSON and shells.
  ["x\bab", "ab"],
  ["\bab", "ab"],
  ["x\\bab", "ab"],
  ["\\x61b", "ab"],
  ["\\141b", "ab"],
  ["\\u0061b", "ab"],
  ["\\U00000061b", "ab"],
  ["\\U0000006", "\\U0000006"],
  ["\\u006", "\\u006"],
  ["\\xg1", "\\xg1"],
  ["\\x6", "\\x6"],
  ["\\400", "\\400"],
  ["\\377", "\xff"],
  ["\\148", "\\148"],
  ["a\\nb\\tc\\rd\\fe\\vf", "a b c d e f"],
  ["\\qa", "qa"],
  ["\\\\\\a", "a"],
  ["'a'\"b\"\\'c\\\"", "abc"],
  ["\\u00fc\\ud83d\\ude00", "ü😀"],
  // Half of a pair stands alone.
  ["\\ud83dx", "\xed\xa0\xbdx"],
  ["\\udc00", "\xed\xb0\x80"],
  ["\\ud7ff\\udc00", "\xed\x9f\xbf\xed\xb0\x80"],
  // URLs and forms, also twice over.
  ["%61b", "ab"],
  ["%2561b", "ab"],
  ["%6", "%6"],
  ["%g1", "%g1"],
  ["%1g", "%1g"],
  ["a+b\tc\rd\ne", "a b c d e"],
  ["a\x01\x1fb", "ab"],
  // XML and HTML.
  ["&lt;&gt;&amp;x&quot;&apos;", "<>&x"],
  ["&#60;&#x3c;&#X3C;", "<<<"],
  ["&amp;lt;", "<"],
  ["&#252;&#128512;", "ü😀"],
  ["&nbsp;", "&nbsp;"],
  ["&;", "&;"],
  ["&#1114111;", "\u{10ffff}"],
  ["&#1114112;", "&#1114112;"],
  ["&#x0000061;", "&#x0000061;"],
  ["a;b", "a;b"],
];
/** Texts of bytes that are no UTF-8 are written with one character a byte. */
const bytesOf = (text: string): Buffer =>
  /[\x80-\xff]/.test(text) && text !== "ü😀" ? Buffer.from(text, "latin1") : Buffer.from(text);

test("canonical undoes what shells, terminals, programs and documents do to a text, and leaves the rest", () => {
  for (const [written, said] of WRITTEN) {
    const bytes = Buffer.from(`<${written}>`);
    const out = newCanonical();
    canonical(bytes, 1, bytes.length - 1, out);
    const found = Buffer.from(out.bytes.subarray(0, out.length));
    assert.deepEqual(
      found,
      bytesOf(said),
      `${JSON.stringify(written)} became ${JSON.stringify(found.toString())}`,
    );
  }
});

test("canonical knows for each byte where in the text it was written", () => {
  const places = (text: string) => {
    const bytes = Buffer.from(text);
    const out = newCanonical();
    canonical(bytes, 0, bytes.length, out);
    return Array.from({ length: out.length }, (_, i) => text.slice(out.from[i], out.to[i]));
  };
  assert.deepEqual(places(`a${ESC}[0mb%63\\x64\\145&#102;g`), [
    "a",
    "b",
    "%63",
    "\\x64",
    "\\145",
    "&#102;",
    "g",
  ]);
  assert.deepEqual(places("%2541\\\\n"), ["%2541", "\\\\n"]);
  assert.deepEqual(places("\\u00fc"), ["\\u00fc", "\\u00fc"]);
});

test("canonical can be given the same buffer again, for a longer text and for a shorter one", () => {
  const out = newCanonical();
  for (const text of ["abc", "abcdefghij", "ab"]) {
    canonical(Buffer.from(text), 0, text.length, out);
    assert.equal(Buffer.from(out.bytes.subarray(0, out.length)).toString(), text);
  }
});

test("squeeze takes the spaces out, and the places go with the bytes", () => {
  const out = newCanonical();
  canonical(Buffer.from("a+b  c"), 0, 6, out);
  squeeze(out);
  const { length, from, to } = out;
  assert.deepEqual([Buffer.from(out.bytes.subarray(0, length)).toString(), from[2], to[2]], ["abc", 5, 6]);
});

test("hasEscapes looks no further than it must, and no further than its end", () => {
  const has = (text: string, end = text.length) => hasEscapes(Buffer.from(text), 0, end);
  for (const text of ["%41", "a\\b", "&lt;", "&#1;", `${ESC}x`, "x\b"]) assert.equal(has(text), true, text);
  for (const text of ["", "abc", "%4", "%4g", "%g4", "100%", "a & b", "&lt", "&LT;", "&<<;"]) {
    assert.equal(has(text), false, text);
  }
  assert.deepEqual([has("%41", 2), has("&lt;", 3), has("ab\\", 2)], [false, false, false]);
});

test("maskOf hides a secret exactly, and nothing that stands beside it", () => {
  const cases: [secret: string, text: string, shown: string][] = [
    ["a b c", "xa+b+cx", "x***x"],
    ["a b c", "xa\tb\tcx", "x***x"],
    ["a b c", "\ta b cx", "\t***x"],
    ["it's", "x'it''s'x", "x'***'x"],
    [`a"b"c`, `xa""b""cx`, "x***x"],
    ["hunter2", `x${ESC}]0;t\x07hun${ESC}[1mter2y`, `x${ESC}]0;t\x07***y`],
    ["hunter2", "x%68unter%32y", "x***y"],
    ["line one 1\\nline two 2", "xline one 1y", "x***y"],
    ["12345678\\n1234567", "x12345678y", "x***y"],
    ["12345678\\nabcdefg", "xabcdefgy", "xabcdefgy"],
    ['{"k":"12345678","s":"1234567"}', "x12345678y", "x***y"],
    ['{"k":"abcdefgh","s":"1234567"}', "x1234567y", "x1234567y"],
    ["abc", "xabcabcx", "x***x"],
    ["abc", "xab", "xab"],
  ];
  for (const [secret, text, shown] of cases) {
    assert.equal(maskOf({ S: secret }).text(text), shown, JSON.stringify([secret, text]));
  }
});

test("digitColumn finds the digits of a dump, and where the same bytes stand as text", () => {
  const cases: [line: string, digits: string, isDump: boolean][] = [
    ["00000000  68 75 6e 74 65 72 32 0a  |hunter2.|", "68 75 6e 74 65 72 32 0a", true],
    ["  00000000  68 75  |hu|", "68 75", true],
    ["00000000: 6875 6e74  hunt", "6875 6e74", true],
    [" 68 75 6e 74  >hunt<", "68 75 6e 74", true],
    ["68 75 6e 74", "68 75 6e 74", true],
    ["0000000 68 75 6e", "68 75 6e", true],
    ["0123456789abcdef: 68", "68", true],
    ["00000000  68 75  76 |", "68 75  76 |", true],
    ["00000000  68 75  |", "68 75", true],
    ["00000000  68 75  ", "68 75  ", true],
    // No offsets: too few digits, or too many.
    ["12345 68 75", "12345 68 75", false],
    ["00123456789abcdef 68", "00123456789abcdef 68", false],
    ["68756e7465", "68756e7465", false],
    ["value 68 75", "value 68 75", false],
    ["", "", false],
  ];
  for (const [line, digits, isDump] of cases) {
    const found = digitColumn(Buffer.from(`##${line}##`), 2, 2 + line.length);
    assert.deepEqual(
      [`##${line}##`.slice(found.start, found.end), found.isDump],
      [digits, isDump],
      JSON.stringify(line),
    );
  }
});
