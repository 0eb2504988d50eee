import assert from "node:assert/strict";
import { test } from "node:test";
import { artifactsOf } from "../../lib/engine/core/artifacts.ts";
import type { Run } from "../../lib/wire/run.ts";

/** The links among artifacts: each has a name, a path (none if the result does not tell) and bytes. */
function linksOf(...artifacts: [name: string, path: string | undefined, sha256?: string][]) {
  const stored = artifacts.map(([name, , sha256 = "1"]) => ({ name, size: 1, sha256, mode: 0o644 }));
  const listed = artifacts.flatMap(([name, path, sha256 = "1"]) =>
    path === undefined ? [] : [{ name, path, size: 1, sha256, link: "forged" }]
  );
  const run = { steps: [{ result: { success: true, message: "", data: { artifacts: listed } } }] };
  const told = artifactsOf(run as unknown as Run, stored);
  return Object.fromEntries(told.flatMap(({ name, link }) => link === undefined ? [] : [[name, link]]));
}

test("artifactsOf tells which artifacts are links to which, below a folder of the build too", () => {
  const so = (folder: string) =>
    linksOf(
      ["libz.so", `${folder}libz.so.1.2`],
      ["libz.so.1", `${folder}libz.so.1.2`],
      ["libz.so.1.2", `${folder}libz.so.1.2`],
      ["libz.a", `${folder}libz.a`],
    );
  assert.deepEqual(so(""), { "libz.so": "libz.so.1.2", "libz.so.1": "libz.so.1.2" });
  assert.deepEqual(so("packages/z/"), so(""));
  assert.deepEqual(linksOf(["x", "v1/x"], ["v1/x", "v1/x"]), { x: "v1/x" });
});

test("artifactsOf takes for a link neither what has other bytes, nor one whose file is no artifact, nor what a driver calls one", () => {
  assert.deepEqual(linksOf(["a", "b", "2"], ["b", "b", "1"]), {});
  assert.deepEqual(linksOf(["a", "far/file"], ["b", "far/file"]), {});
  assert.deepEqual(linksOf(["a", undefined], ["b", undefined]), {});
  assert.deepEqual(linksOf(["a", "a"], ["b", "b"]), {});
});
