import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { maskOf } from "../../lib/driver/log/mask/mask.ts";
import { maskLines } from "./mask-lines.ts";
import { caseOf, serviceAccount } from "./secret-cases.ts";
import { readablePart, WRITINGS } from "./secret-writings.ts";

/** In a line that was broken this much of a secret may stay, in bytes. */
const LEAST = 6;

for (const [writing, write] of Object.entries(WRITINGS)) {
  test(`a secret that was written by ${writing} is masked, whatever it is and stands beside it`, () => {
    for (let seed = 1; seed <= 40; seed++) {
      const { secret, choose } = caseOf(seed);
      const text = write(secret, choose);
      const shown = maskLines(text, { S: secret }, choose);
      for (const line of secret.split("\n").filter((line) => Buffer.byteLength(line) >= LEAST)) {
        const part = readablePart(shown, line, LEAST);
        assert.equal(part, undefined, `${seed}: ${JSON.stringify(secret)} in\n${text}\n${shown}`);
      }
      assert.ok(shown.includes("***"), `${seed}: ${text}`);
    }
  });
}

test("every line of a private key within a JSON secret is masked when a shell has turned its line ends into real ones", () => {
  const secret = serviceAccount(() => 7);
  const shown = maskLines(secret.replaceAll("\\n", "\n"), { KEY: secret }, () => 7);
  const key = JSON.parse(secret).private_key as string;
  for (const line of key.split("\n").filter((line) => line.length >= 8)) {
    assert.ok(!shown.includes(line), line);
  }
});

test("a secret that is broken into lines by base64 is masked in every line of it", () => {
  const secret = "abcdefghij".repeat(30);
  const lines = Buffer.from(`A=1\nKEY=${secret}\n`).toString("base64").match(/.{1,76}/g) ?? [];
  const shown = maskLines(lines.join("\n"), { KEY: secret }, () => 9).split("\n");
  assert.equal(shown.length, lines.length);
  for (const line of shown.slice(1, -1)) assert.equal(line, "***");
});

test("text that only resembles an encoded secret stays as it is", () => {
  const secret = "hunter2hunter2";
  const encoded = Buffer.from(secret).toString("base64");
  for (
    const text of [
      encoded.slice(0, 7),
      `${encoded.slice(0, 7)}\n${encoded.slice(8)}`,
      "68 75 6e",
      "100%",
      "a & b",
    ]
  ) {
    assert.equal(maskLines(text, { S: secret }, () => 3), text);
  }
});

test("a text that is quoted over and over is read in linear time", () => {
  const mask = maskOf({ S: "hunter2" });
  for (const piece of ["%25", "\\", "&amp;", "\\u005c", "&", "%", "%2", "&#", "\x1b[0m"]) {
    assert.equal(mask.text(`${piece.repeat(200_000)} hunter2`).endsWith("***"), true, piece);
  }
});
