import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { Vault } from "../../lib/engine/shell/secrets.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { drive } from "./support/drive.ts";
import { submission } from "./support/runs.ts";
import { scriptedDriver } from "./support/scripted-driver.ts";
import { endOf, openWorld } from "./support/world.ts";

const SECRET = `secret-${randomBytes(16).toString("hex")}`;

test("a run's secrets are in no file of the data folder once it has ended, sealed or not", async () => {
  await using world = await openWorld();
  const { store, folder } = world;
  const engine = await world.engine();
  const sealed: string[] = [];
  await using _driver = await scriptedDriver(world.transport, "a", async ({ run, secrets }) => {
    assert.deepEqual(secrets, { TOKEN: SECRET });
    const kept = await store.secrets.get(run);
    sealed.push(kept?.value ?? "");
    return { success: true, message: "done" };
  });
  await drive(world, "b");
  // Several at once, so that pages of the database are split and merged among them.
  const runs = await Promise.all(
    Array.from({ length: 20 }, () => engine.submit(submission("a b", { secrets: { TOKEN: SECRET } }))),
  );
  for (const run of runs) assert.equal((await endOf(engine, run)).outcome, "succeeded");
  assert.equal(sealed.length, 20);
  assert.ok(sealed.every((text) => text.length > 50));
  const found = await filesWith(folder, [SECRET, ...sealed.flatMap(formsOf)]);
  assert.deepEqual(found, []);
});

test("secrets that an earlier release left in the database are gone from its files, and open runs keep theirs", async () => {
  await using folder = await temporaryFolder();
  const sealed = `v1.${randomBytes(200).toString("base64")}`;
  const open = `v1.${randomBytes(200).toString("base64")}`;
  {
    await using backend = await openEmbedded({ folder: folder.path, scope: "up" });
    await using other = await openWorld();
    const engine = await other.engine();
    await drive(other, "a");
    const run = await engine.submit(submission("a"));
    await endOf(engine, run);
    const found = await other.store.runs.get(run);
    assert.ok(found);
    await backend.store.runs.put(run, found.value, 0);
  }
  const database = new DatabaseSync(join(folder.path, "conveyor.db"));
  database.exec("DELETE FROM meta WHERE key = 'secrets'");
  const insert = database.prepare(
    "INSERT INTO items (kind, key, revision, value) VALUES ('secret', ?, 7, ?)",
  );
  insert.run("ended", JSON.stringify(sealed));
  insert.run("open", JSON.stringify(open));
  database.exec("DELETE FROM items WHERE key = 'ended'");
  database.close();
  assert.notDeepEqual(await filesWith(folder.path, formsOf(sealed)), []);

  await using backend = await openEmbedded({ folder: folder.path, scope: "up" });
  assert.deepEqual(await filesWith(folder.path, formsOf(sealed)), []);
  assert.deepEqual(await backend.store.secrets.get("open"), { value: open, revision: 7 });
  assert.deepEqual((await backend.store.secrets.list()).map(({ key }) => key), ["open"]);
  await new Vault(backend.store, backend.sealKey).forget("open");
  assert.deepEqual(await filesWith(folder.path, formsOf(open)), []);
});

/** A sealed text as it is written, and its bytes. */
const formsOf = (sealed: string): Uint8Array[] => [
  Buffer.from(sealed.slice(10, 60)),
  Buffer.from(sealed.slice(3), "base64").subarray(0, 32),
];

async function filesWith(folder: string, what: readonly (string | Uint8Array)[]): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path);
    if (what.some((one) => bytes.includes(one))) found.push(path);
  }
  return found;
}
