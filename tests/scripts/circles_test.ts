import assert from "node:assert/strict";
import { test } from "node:test";
import { circlesIn } from "../../scripts/circles.ts";

const imports = (text: string) =>
  new Map(
    text.split("; ").map((line) => {
      const [from = "", to = ""] = line.split(" > ");
      return [from, to.split(" ").filter(Boolean)];
    }),
  );

test("circlesIn finds files that import each other, through others too", () => {
  assert.deepEqual(circlesIn(imports("a > b; b > c; c > a d; d > ")), [["a", "b", "c"]]);
  assert.deepEqual(circlesIn(imports("a > b; b > a; c > d; d > c")).sort(), [["a", "b"], ["c", "d"]]);
});

test("circlesIn finds nothing where two ways lead to the same file", () => {
  assert.deepEqual(circlesIn(imports("a > b c; b > d; c > d; d > ; e > a d")), []);
});
