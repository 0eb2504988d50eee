import assert from "node:assert/strict";
import { ArchiveError, unpack, type Wanted } from "../../../lib/build/artifacts/unpack.ts";
import { MAX_MTIME } from "../../../lib/wire/run.ts";
import { tarOf } from "../../../tests/build/tar-bytes.ts";
import { asStream, chooseFrom, chooser, damaged } from "../../../tests/support/chooser.ts";

const NAMES = [
  "./a",
  "./b/c",
  "../a",
  "/etc/passwd",
  "./a/../../b",
  "./" + "d/".repeat(60) + "e",
  "./😀",
  "",
];
const TYPES = ["0", "0", "0", "1", "2", "3", "4", "5", "6", "7", "S", "L", "K", "x", "g", "\0", "?"];

/**
 * Reads archives of random bytes. Only wanted files may be taken, each with its size, or the archive is
 * refused.
 */
export async function fuzzArchive(seed: number): Promise<void> {
  const choose = chooser(seed);
  const entries = Array.from({ length: choose(8) }, () => ({
    name: chooseFrom(choose, NAMES),
    text: "x".repeat(chooseFrom(choose, [0, 1, 3, 511, 512, 513, 3000])),
    type: chooseFrom(choose, TYPES),
    link: chooseFrom(choose, ["", "./a", "/etc/passwd"]),
    mode: choose(0o10000),
    mtime: choose(2 ** 32).toString(8),
    ...choose(10) === 0 && { size: choose(1_000_000) },
  }));
  const whole = tarOf(...entries);
  const came = choose(2) === 0 ? damaged(whole, choose) : whole;
  const wanted: Wanted[] = [["a", 3], ["b/c", 513], ["gone", 0]].map(([path, size]) => ({
    name: `${path}`,
    path: `${path}`,
    size: Number(size),
    times: true,
  }));
  let bytes = 0;
  try {
    await unpack(asStream(came, choose, 2000), wanted, {
      pathOf: (name) => name.replace(/^\.\//, ""),
      maxEntries: 6,
      take: async (file, { mode, mtime = 0 }, body) => {
        let size = 0;
        for await (const piece of body) size += piece.length;
        assert.ok(wanted.includes(file) && mode <= 0o777 && mtime >= 0 && mtime <= MAX_MTIME);
        assert.equal(size, file.size);
        bytes += size;
      },
    });
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
  }
  assert.ok(bytes <= came.length);
}
