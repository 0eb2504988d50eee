import assert from "node:assert/strict";
import { test } from "node:test";
import { packDistance, packHeader } from "../../lib/build/git/objects/format.ts";

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
