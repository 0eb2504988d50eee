import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { isUtf8, nameBytes, nameOf, showName } from "../../lib/build/artifacts/file-name.ts";

test("nameOf gives each name a text of its own, which nameBytes turns back", () => {
  const names = [
    [..."plain"].map((letter) => letter.charCodeAt(0)),
    [...Buffer.from("ü€💀\ufffd\n")],
    [0xff],
    [0xfe],
    // A character that is cut off, one that is written too long, half a pair, and one past the last.
    [0x61, 0xe2, 0x82],
    [0xc0, 0xaf],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf0, 0x9f, 0x92, 0x80, 0x80],
    ...Array.from({ length: 255 }, (_, i) => [i + 1]),
  ];
  const texts = names.map((bytes) => nameOf(Buffer.from(bytes)));
  for (const [i, text] of texts.entries()) {
    assert.deepEqual([...nameBytes(text)], names[i]);
    assert.equal(
      isUtf8(text),
      Buffer.from(Buffer.from(names[i] ?? []).toString("utf8")).equals(Buffer.from(names[i] ?? [])),
    );
  }
  assert.equal(new Set(texts).size, new Set(names.map(String)).size);
});

test("nameOf reads a large list of names of which one is not UTF-8", () => {
  const line = "12 ./Prüfbericht-€-💀.txt\n";
  const many = line.repeat(16 * 1024 * 1024 / Buffer.byteLength(line));
  const text = nameOf(Buffer.concat([Buffer.from(many), Buffer.of(0xe9), Buffer.from(line)]));
  assert.ok(text === `${many}\udce9${line}`);
});

test("showName shows what is hidden, and each byte that is not UTF-8", () => {
  assert.equal(
    showName(nameOf(Buffer.from([0x61, 0xff, 0x80, 0x0a, 0x22, 0x5c]))),
    '"a\\xff\\x80\\n\\"\\\\"',
  );
  assert.equal(showName("ü💀"), '"ü💀"');
  assert.equal(showName("a\x7f\x9b\u202eb"), '"a\\u007f\\u009b\\u202eb"');
  const long = showName(`${"💀".repeat(150)}${"x".repeat(60)}`);
  assert.equal(long, `"${"💀".repeat(100)}…${"💀".repeat(40)}${"x".repeat(60)}"`);
});
