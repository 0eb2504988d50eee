import assert from "node:assert/strict";
import { test } from "node:test";
import { SparseFolders } from "../../lib/build/git/sparse-folders.ts";

test("sparse folders are plain ones of the repository, from its top", () => {
  const takes = (folder: string) => SparseFolders.safeParse([folder]).success;
  for (const folder of ["a", "a/b", "a b", "ä", "a!b", "..a", "a..b/c", "x".repeat(1024)]) {
    assert.ok(takes(folder), folder);
  }
  const refused = ["", "/a", "..", "a/..", "../a", "!a", "a*", "a?", "[a]", "a\\b", 'a"b', "a\nb", "a\0b"];
  for (const folder of [...refused, "x".repeat(1025), `../${"x".repeat(2000)}`]) {
    assert.ok(!takes(folder), JSON.stringify(folder));
  }
  assert.ok(SparseFolders.safeParse(Array.from({ length: 200 }, () => "a")).success);
  assert.ok(!SparseFolders.safeParse(Array.from({ length: 201 }, () => "a")).success);
});
