import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { encodeText, MOST_PER_BYTE } from "../../lib/driver/log/encode.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a reader of the JSON gets back. */
function roundTrip(bytes: Uint8Array): string {
  const out = new Uint8Array(bytes.length * MOST_PER_BYTE + 8);
  const end = encodeText(out, 4, bytes, 0, bytes.length);
  return JSON.parse(`"${strict.decode(out.subarray(4, end))}"`);
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const expected = (bytes: Uint8Array) => decoder.decode(bytes).replaceAll("\0", "\ufffd");

test("encodeText writes any bytes so that JSON gives back their text, with U+FFFD for NUL and what is no UTF-8", () => {
  const byte = fc.oneof(
    fc.nat(255),
    fc.constantFrom(0, 9, 0x22, 0x5c, 0x1b, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0xf0, 0x9f, 0xf4, 0x90),
  );
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 30 }).map((bytes) => Uint8Array.from(bytes)), (bytes) => {
      assert.equal(roundTrip(bytes), expected(bytes));
    }),
    { numRuns: 3000 },
  );
});

test("encodeText keeps every well-formed text but NUL as it is", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const wellFormed = text.toWellFormed();
    assert.equal(roundTrip(Buffer.from(wellFormed)), wellFormed.replaceAll("\0", "\ufffd"));
  }));
  assert.equal(roundTrip(Buffer.from("\ufeffa\u2028\u007f\u0080")), "\ufeffa\u2028\u007f\u0080");
});

test("encodeText refuses overlong forms, surrogates and what lies above U+10FFFF", () => {
  const broken = [
    [0xc0, 0x80],
    [0xe0, 0x9f, 0xbf],
    [0xf0, 0x8f, 0xbf, 0xbf],
    [0xed, 0xa0, 0x80],
    [
      0xf4,
      0x90,
      0x80,
      0x80,
    ],
    [0xe2, 0x82],
    [0x80],
  ];
  for (const bytes of broken) {
    const given = Uint8Array.from([0x61, ...bytes]);
    assert.equal(roundTrip(given), expected(given));
    assert.ok(roundTrip(given).includes("\ufffd"));
  }
});
