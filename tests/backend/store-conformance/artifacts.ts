import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { bytes } from "../transport-conformance/opened.ts";
import { type OpenStore, OTHER_RUN, RUN } from "./opened.ts";

export function artifacts(name: string, open: OpenStore): void {
  test(`${name}: artifacts lists what was put under a run, by name, with size, SHA-256, permission bits and time`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    await transport.putBlob(RUN, "lib/z.so", bytes("z"));
    await transport.putBlob(RUN, "lib/a.so", bytes("first"), { mode: 0o600, mtime: 5 });
    await transport.putBlob(RUN, "lib/a.so", bytes("second, longer"), { mode: 0o755, mtime: 1e9 });
    await transport.putBlob(RUN, "lib/y.so", bytes("y"), { mtime: 7 });
    await transport.putBlob(RUN, "lib/y.so", bytes("y"), { mtime: -7 });
    await transport.putBlob(OTHER_RUN, "b", bytes("other"));
    const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
    assert.deepEqual(await store.artifacts.list(RUN), [
      { name: "lib/a.so", size: 14, sha256: sha256("second, longer"), mode: 0o755, mtime: 1e9 },
      { name: "lib/y.so", size: 1, sha256: sha256("y"), mode: 0o644 },
      { name: "lib/z.so", size: 1, sha256: sha256("z"), mode: 0o644 },
    ]);
    assert.deepEqual(await (await opened.another()).artifacts.list(OTHER_RUN), [
      { name: "b", size: 5, sha256: sha256("other"), mode: 0o644 },
    ]);
    assert.deepEqual(await store.artifacts.find(OTHER_RUN, "b"), (await store.artifacts.list(OTHER_RUN))[0]);
    assert.equal(await store.artifacts.find(RUN, "b"), undefined);
    assert.deepEqual(await store.artifacts.list("never"), []);
  });

  test(`${name}: artifacts opens the bytes, piece by piece, or nothing where there are none`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    const large = Uint8Array.from({ length: 2_000_003 }, (_, i) => (i * 7) % 253);
    await transport.putBlob(RUN, "large", bytes(large));
    await transport.putBlob(RUN, "empty", bytes());
    const read = async (name: string, run = RUN) => {
      const source = await store.artifacts.open(run, name);
      return source && Buffer.concat(await Array.fromAsync(source));
    };
    assert.equal(Buffer.compare(await read("large") ?? Buffer.alloc(0), large), 0);
    assert.equal((await read("empty"))?.length, 0);
    for (const name of ["never", "", "..", "../large", "./large", "large/", "/etc/passwd", "large\0"]) {
      assert.equal(await read(name), undefined, JSON.stringify(name));
    }
    assert.equal(await read("large", OTHER_RUN), undefined);
    assert.equal(await read("large", `../${RUN}`), undefined);
  });

  test(`${name}: artifacts may be left in the middle of reading`, async () => {
    await using opened = await open();
    const { store, transport } = opened;
    await transport.putBlob(RUN, "a", bytes(new Uint8Array(1_000_000)));
    for await (const piece of await store.artifacts.open(RUN, "a") ?? []) {
      assert.ok(piece.length > 0);
      break;
    }
    await transport.putBlob(RUN, "a", bytes("new"));
    assert.deepEqual((await store.artifacts.list(RUN)).map(({ size }) => size), [3]);
  });
}
