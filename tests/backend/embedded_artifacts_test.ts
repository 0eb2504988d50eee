import assert from "node:assert/strict";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ArtifactTable } from "../../lib/backend/embedded/artifacts.ts";
import { connect } from "../../lib/backend/embedded/database.ts";
import { Lifetime } from "../../lib/backend/embedded/lifetime.ts";
import { migrate } from "../../lib/backend/embedded/schema.ts";
import { InputError } from "../../lib/base/errors.ts";
import { RUN } from "../engine/support/runs.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { bytes } from "./transport-conformance/opened.ts";

test("putBlob stores no entry without a file if its run is removed in between", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "conveyor.db");
  await using database = await connect(file, () => 0);
  migrate(database, file, () => false);
  const [whole, partial] = [join(folder.path, "whole"), join(folder.path, "partial")];
  await mkdir(join(partial, "up"), { recursive: true });
  const table = new ArtifactTable(database, { whole, partial });
  const reader = table.reader(new Lifetime("The store"));
  const put = (name: string) =>
    table.put("up", RUN, name, bytes(name), { signal: new AbortController().signal });
  await put("first");

  const writeSoon = database.writeSoon.bind(database);
  const removesFirst = async <T>(work: () => T): Promise<T> => {
    await table.remove(RUN);
    return await writeSoon(work);
  };
  Object.assign(database, { writeSoon: removesFirst });
  await assert.rejects(put("second"), (error: Error) => {
    assert.ok(error instanceof InputError);
    assert.match(error.message, /"second".* was removed meanwhile$/);
    return true;
  });
  assert.deepEqual([await reader.list(RUN), await readdir(whole)], [[], []]);

  Object.assign(database, { writeSoon });
  await put("third");
  assert.deepEqual((await reader.list(RUN)).map(({ name }) => name), ["third"]);
  assert.deepEqual(await readdir(join(partial, "up")), []);
});
