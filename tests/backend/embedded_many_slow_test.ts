import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startChild } from "./embedded-children/start.ts";

test("openEmbedded has one owner and one key for all who make a folder at the same moment", async () => {
  await using folder = await temporaryFolder();
  await using children = new AsyncDisposableStack();
  const openers = ["a", "b", "c", "d", "e", "f"].map((scope) => children.use(startChild("make.ts", [scope])));
  for (const opener of openers) assert.equal(await opener.line(), "ready");
  for (let i = 0; i < 25; i++) {
    for (const opener of openers) opener.tell(join(folder.path, String(i)));
    const facts = await Promise.all(openers.map((opener) => opener.line()));
    assert.equal(new Set(facts).size, 1, facts.join("\n"));
  }
});

const PROCESSES = 20;
const ROUNDS = 10;

test("openEmbedded lets 20 processes make and use one folder at once, and none loses anything", async () => {
  await using folder = await temporaryFolder();
  await using children = new AsyncDisposableStack();
  const scopes = Array.from({ length: PROCESSES }, (_, i) => `run-${i}`);
  const said = await Promise.all(scopes.map((scope) => {
    const child = children.use(startChild("share.ts", [folder.path, scope, String(ROUNDS)]));
    return child.line();
  }));
  await children.disposeAsync();

  await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
  const { store, owner, sealKey } = embedded;
  const key = Buffer.from(sealKey).toString("hex");
  for (const line of said) assert.deepEqual(JSON.parse(line), { owner, key, came: ROUNDS });
  assert.equal((await store.secrets.get("counter"))?.value, String(PROCESSES * ROUNDS));
  const expected = Array.from({ length: ROUNDS }, (_, i) => i + 1);
  for (const scope of scopes) {
    const lines = (await store.logs.tail(scope, 1000)).map(({ message }) => message);
    assert.deepEqual(lines, expected.map((round) => `${scope} ${round}`));
    assert.equal((await store.artifacts.list(scope)).length, ROUNDS);
  }
  assert.deepEqual(embedded.deadScopes().sort(), scopes.toSorted());
});
