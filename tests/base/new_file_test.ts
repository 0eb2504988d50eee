import assert from "node:assert/strict";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { NewFile } from "../../lib/base/new-file.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const pieces = (length: number, count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => new Uint8Array(length).fill(i % 251));

test("NewFile has all chunks in their order, and the mode, whatever its size", async () => {
  await using folder = await temporaryFolder();
  const contents = { none: [], small: pieces(1000, 9), many: pieces(9999, 99), large: pieces(300_000, 5) };
  for (const [name, chunks] of Object.entries(contents)) {
    const path = join(folder.path, name);
    {
      await using file = new NewFile(path, 0o640);
      for (const chunk of chunks) await file.write(chunk);
      await file.end();
    }
    assert.ok((await readFile(path)).equals(Buffer.concat(chunks)), name);
    assert.equal((await stat(path)).mode & 0o777, 0o640);
  }
});

test("NewFile has the bytes of chunks whose buffer is filled again, however they meet its own buffers", async () => {
  await using folder = await temporaryFolder();
  const KIB = 1024;
  for (const length of [1000, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 700_000]) {
    const path = join(folder.path, `${length}`);
    const chunk = new Uint8Array(length);
    const count = Math.ceil(2_000_000 / length);
    {
      await using file = new NewFile(path, 0o600);
      for (let i = 0; i < count; i++) await file.write(chunk.fill(i % 251));
      await file.end();
    }
    assert.ok((await readFile(path)).equals(Buffer.concat(pieces(length, count))), `${length}`);
  }
});

test("NewFile has one buffer for a file of up to two pieces, and two for any larger one", async () => {
  await using folder = await temporaryFolder();
  const KIB = 1024;
  const allocated: number[] = [];
  const { Uint8Array } = globalThis;
  const counting = new Proxy(Uint8Array, {
    construct(target, [given, ...rest], newTarget) {
      if (given === 256 * KIB) allocated.push(given);
      return Reflect.construct(target, [given, ...rest], newTarget);
    },
  });
  for (const [kib, expected] of [[200, 0], [300, 1], [512, 1], [513, 2], [2000, 2]] as const) {
    allocated.length = 0;
    const path = join(folder.path, `${kib}`);
    const chunks = Array.from({ length: kib }, (_, i) => new Uint8Array(KIB).fill(i % 251));
    globalThis.Uint8Array = counting;
    try {
      await using file = new NewFile(path, 0o600);
      for (const chunk of chunks) await file.write(chunk);
      await file.end();
    } finally {
      globalThis.Uint8Array = Uint8Array;
    }
    assert.equal(allocated.length, expected, `${kib} KiB`);
    assert.ok((await readFile(path)).equals(Buffer.concat(chunks)), `${kib} KiB`);
  }
});

test("NewFile replaces no file, small or large", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "file");
  await writeFile(path, "mine");
  for (const length of [1, 300_000]) {
    await using file = new NewFile(path, 0o600);
    await assert.rejects(async () => {
      await file.write(new Uint8Array(length));
      await file.end();
    }, { code: "EEXIST" });
  }
  assert.equal(await readFile(path, "utf8"), "mine");
});

test("NewFile makes nothing of a small file that is given up", async () => {
  await using folder = await temporaryFolder();
  {
    await using file = new NewFile(join(folder.path, "file"), 0o600);
    await file.write(new Uint8Array(1));
  }
  assert.deepEqual(await readdir(folder.path), []);
});
