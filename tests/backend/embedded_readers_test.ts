import assert from "node:assert/strict";
import { test } from "node:test";
import { type Embedded, openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import type { LogBatch } from "../../lib/backend/store.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { RUN } from "../engine/support/runs.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

async function add({ transport }: Embedded, ...messages: string[]): Promise<void> {
  const facts = {
    runid: RUN,
    driver: "a",
    timestamp: "2026-01-01T00:00:00.000Z",
    step: "a",
    stream: "stdout",
  };
  const data = messages.map((message) => `${JSON.stringify({ ...facts, message })}\n`).join("");
  const headers = {
    [HEADERS.step]: "a",
    [HEADERS.attempt]: "1",
    [HEADERS.lines]: String(messages.length),
  };
  await transport.publish(subjects.logs(RUN), data, { headers });
}

const messagesOf = (batches: readonly LogBatch[]): string[] =>
  batches.flatMap(({ lines }) => lines.map(({ message }) => message));

test("readers of one log share what was read and parsed, and each gets all of it", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { logs } = embedded.store;
  const ending = new AbortController();
  const follow = () => logs.read(RUN, { follow: true, signal: ending.signal })[Symbol.asyncIterator]();
  const readers = Array.from({ length: 3 }, follow);
  for (const n of [1, 2, 3]) {
    const coming = readers.map((reader) => reader.next());
    await add(embedded, `${n}a`, `${n}b`);
    const batches = (await Promise.all(coming)).map(({ value }) => value);
    assert.deepEqual(messagesOf(batches.slice(0, 1)), [`${n}a`, `${n}b`]);
    assert.ok(batches.every((batch) => batch === batches[0]), "a batch was parsed more than once");
  }
  ending.abort();
  await Promise.all(readers.map((reader) => reader.return?.()));
  assert.deepEqual(messagesOf(await Array.fromAsync(logs.read(RUN))), ["1a", "1b", "2a", "2b", "3a", "3b"]);
});

test("what is removed and written anew is not mistaken for what was read before, also by another process", async () => {
  await using folder = await temporaryFolder();
  await using mine = await openEmbedded({ folder: folder.path, scope: "up" });
  await using other = await openEmbedded({ folder: folder.path, scope: "other" });
  const read = async () => messagesOf(await Array.fromAsync(mine.store.logs.read(RUN)));
  await add(mine, "first");
  assert.deepEqual(await read(), ["first"]);
  await mine.removeLog(RUN);
  assert.deepEqual(await read(), []);
  // It gets the number of the one that was removed.
  await add(mine, "second");
  assert.deepEqual(await read(), ["second"]);
  await other.removeLog(RUN);
  await add(other, "third");
  assert.deepEqual(await read(), ["third"]);
});
