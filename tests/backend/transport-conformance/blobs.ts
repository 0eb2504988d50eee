import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { InputError } from "../../../lib/base/errors.ts";
import { bytes, type Open } from "./opened.ts";

const RUN = "fbab31f6-a278-4a8f-96be-ac49b007ca65";
const decode = (data: Uint8Array | undefined) => data && new TextDecoder().decode(data);

export function blobs(name: string, open: Open): void {
  test(`${name}: putBlob stores bytes of any size and answers their size and SHA-256`, async () => {
    await using opened = await open();
    const large = Uint8Array.from({ length: 3_000_001 }, (_, i) => (i * 31) % 251);
    const pieces = [large.subarray(0, 1), large.subarray(1, 700_000), large.subarray(700_000)];
    const stored = await opened.transport.putBlob(RUN, "build/out.bin", bytes(...pieces));
    assert.deepEqual(stored, { size: 3_000_001, sha256: createHash("sha256").update(large).digest("hex") });
    const read = await opened.readBlob(RUN, "build/out.bin");
    assert.ok(read && Buffer.compare(read, large) === 0);

    const empty = await opened.transport.putBlob(RUN, "empty", bytes());
    assert.deepEqual(empty, { size: 0, sha256: createHash("sha256").digest("hex") });
    assert.equal((await opened.readBlob(RUN, "empty"))?.length, 0);
  });

  test(`${name}: putBlob keeps the bytes of a source that fills one buffer again and again`, async () => {
    await using opened = await open();
    for (const [blob, length, count] of [["small", 10, 3], ["large", 700_000, 6]] as const) {
      const source = async function* () {
        const buffer = new Uint8Array(length);
        for (let i = 1; i <= count; i++) {
          await Promise.resolve();
          yield buffer.fill(i);
        }
      };
      const whole = Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.alloc(length, i + 1)));
      const { sha256 } = await opened.transport.putBlob(RUN, blob, source());
      assert.equal(sha256, createHash("sha256").update(whole).digest("hex"));
      assert.ok(whole.equals(await opened.readBlob(RUN, blob) ?? Buffer.alloc(0)), blob);
    }
  });

  test(`${name}: putBlob replaces what has the same run and name, and nothing else`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const otherRun = "0fbab31f-a278-4a8f-96be-ac49b007ca65";
    await transport.putBlob(RUN, "a", bytes("first, and longer"));
    await transport.putBlob(RUN, "dir/a", bytes("in a folder"));
    await transport.putBlob(otherRun, "a", bytes("of another run"));
    await (await opened.another()).putBlob(RUN, "a", bytes("second"));
    assert.equal(decode(await opened.readBlob(RUN, "a")), "second");
    assert.equal(decode(await opened.readBlob(RUN, "dir/a")), "in a folder");
    assert.equal(decode(await opened.readBlob(otherRun, "a")), "of another run");
    assert.equal(await opened.readBlob(otherRun, "dir/a"), undefined);
  });

  test(`${name}: putBlob keeps names apart that look alike`, async () => {
    await using opened = await open();
    const names = ["A", "a", "a b", "a_b", "a.b", "ä", "a%20b", "a*", "a>", "-a", "...", "a/b", "a&b", "😀"];
    for (const name of names) await opened.transport.putBlob(RUN, name, bytes(`the bytes of ${name}`));
    for (const name of names) {
      assert.equal(decode(await opened.readBlob(RUN, name)), `the bytes of ${name}`);
    }
  });

  test(`${name}: putBlob refuses a name that is no relative path of plain segments`, async () => {
    await using opened = await open();
    const bad = [
      "",
      "/",
      "/a",
      "a/",
      "a//b",
      ".",
      "..",
      "./a",
      "a/.",
      "../a",
      "a/../b",
      "a/..",
      "a\0b",
      "a\nb",
      "a\\b",
      "a\ud800",
    ];
    for (const name of bad) {
      await assert.rejects(
        opened.transport.putBlob(RUN, name, bytes("x")),
        InputError,
        JSON.stringify(name),
      );
    }
    for (const run of ["", "..", "../x", "a/b", "."]) {
      await assert.rejects(opened.transport.putBlob(run, "a", bytes("x")), InputError, JSON.stringify(run));
    }
  });

  test(`${name}: putBlob stores nothing of a source that breaks, and keeps what was there`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const broken = async function* () {
      yield new Uint8Array(400_000);
      await Promise.resolve();
      throw new Error("The source is broken");
    };
    await transport.putBlob(RUN, "kept", bytes("kept"));
    for (const name of ["kept", "never"]) {
      await assert.rejects(transport.putBlob(RUN, name, broken()), /The source is broken/);
    }
    assert.equal(decode(await opened.readBlob(RUN, "kept")), "kept");
    assert.equal(await opened.readBlob(RUN, "never"), undefined);
  });

  test(`${name}: putBlob throws the signal's reason when it fires, lets go of the source and stores nothing`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const controller = new AbortController();
    let closed = 0;
    const endless = async function* () {
      try {
        for (let i = 0;; i++) {
          await Promise.resolve();
          if (i === 3) controller.abort(new Error("cancelled by the test"));
          yield new Uint8Array(200_000);
        }
      } finally {
        closed++;
      }
    };
    const { signal } = controller;
    await assert.rejects(transport.putBlob(RUN, "never", endless(), { signal }), /cancelled by the test/);
    await assert.rejects(transport.putBlob(RUN, "never", bytes("x"), { signal }), /cancelled by the test/);
    assert.equal(closed, 1);
    assert.equal(await opened.readBlob(RUN, "never"), undefined);
  });
}
