import assert from "node:assert/strict";
import { test } from "node:test";
import type { Open } from "./opened.ts";

export function marking(name: string, open: Open): void {
  test(`${name}: a mark is there for every instance, under any name, as it was last written`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const other = await opened.another();
    const odd = 'a.b/*> "é"\n';
    assert.equal(await other.readMark(odd), undefined);
    const first = await transport.writeMark(odd, "one", 0);
    assert.deepEqual(await other.readMark(odd), { text: "one", revision: first });
    assert.equal(await other.readMark("a"), undefined);
    const second = await other.writeMark(odd, "", first ?? -1);
    assert.notEqual(second, first);
    assert.deepEqual(await transport.readMark(odd), { text: "", revision: second });
  });

  test(`${name}: of those who write a mark over the same revision, one succeeds`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const other = await opened.another();
    const race = async (revision: number) => {
      const writers = Array.from({ length: 10 }, (_, i) => i % 2 === 0 ? transport : other);
      const written = await Promise.all(writers.map((from, i) => from.writeMark("m", String(i), revision)));
      const winner = written.findIndex((revision) => revision !== undefined);
      assert.equal(written.filter((revision) => revision !== undefined).length, 1);
      assert.deepEqual(await other.readMark("m"), { text: String(winner), revision: written[winner] });
      return written[winner] ?? 0;
    };
    const first = await race(0);
    const second = await race(first);
    assert.equal(await transport.writeMark("m", "late", 0), undefined);
    assert.equal(await transport.writeMark("m", "late", first), undefined);
    assert.equal((await transport.readMark("m"))?.revision, second);
  });
}
