import assert from "node:assert/strict";
import { test } from "node:test";
import { packDistance, packHeader, parseCommit, treeEntries } from "../../lib/build/git/objects/format.ts";

test("sizes and distances are written as git's description of its packs has them", () => {
  const distances: [distance: number, bytes: string][] = [
    [1, "01"],
    [127, "7f"],
    [128, "8000"],
    [255, "807f"],
    [256, "8100"],
    [16_511, "ff7f"],
    [16_512, "808000"],
    [2_113_663, "ffff7f"],
    [2_113_664, "80808000"],
  ];
  for (const [distance, bytes] of distances) assert.equal(packDistance(distance).toString("hex"), bytes);
  const sizes: [size: number, bytes: string][] = [
    [0, "30"],
    [15, "3f"],
    [16, "b001"],
    [2047, "bf7f"],
    [2048, "b08001"],
    [2 ** 35, "b08080808008"],
  ];
  for (const [size, bytes] of sizes) assert.equal(packHeader(3, size).toString("hex"), bytes);
});

test("a commit's tree and parents are its first lines, each of a whole id", () => {
  const [a, b, c] = ["a".repeat(40), "b".repeat(40), "c".repeat(40)];
  const parsed = (text: string) => parseCommit(a, Buffer.from(text));
  assert.deepEqual(parsed(`tree ${a}\nparent ${b}\nparent ${c}\nauthor x\nparent ${a}\n\nparent ${a}\n`), {
    tree: a,
    parents: [b, c],
  });
  assert.deepEqual(parsed(`tree ${a}`), { tree: a, parents: [] });
  assert.deepEqual(parsed(`tree ${a}\n\nparent ${b}\n`), { tree: a, parents: [] });
  assert.deepEqual(parsed(`tree ${a}\nparent ${b}c\n`), { tree: a, parents: [] });
  for (const text of ["", "tree ", `tree ${a}b\n`, `tree ${"A".repeat(40)}\n`, `\ntree ${a}\n`]) {
    assert.throws(() => parsed(text), /it has no tree/, text);
  }
});

test("a tree's entry is there before the next one is read", () => {
  const id = "a".repeat(40);
  const entry = Buffer.concat([Buffer.from("040000 a b\0"), Buffer.from(id, "hex")]);
  const entries = treeEntries(id, Buffer.concat([entry, Buffer.from("100644 cut")]));
  assert.deepEqual(entries.next().value, { mode: "40000", name: "a b", id });
  assert.throws(() => entries.next(), /it is cut off/);
});
