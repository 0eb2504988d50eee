import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { UnavailableError } from "../../lib/base/errors.ts";
import { saveArtifacts } from "../../lib/cli/shared/save-artifacts.ts";
import { needing } from "../support/needs.ts";
import { mountSmallDisk, noSmallDisk } from "../support/small-disk.ts";
import { temporaryFolder } from "./start-program.ts";

const { test } = needing(noSmallDisk);

async function* filled(bytes: number): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  for (let left = bytes; left > 0; left -= 65_536) yield new Uint8Array(Math.min(left, 65_536));
}

test("saveArtifacts says that a disk is full and how to save elsewhere, without the paths of its own files", async () => {
  await using folder = await temporaryFolder();
  await using embedded = await openEmbedded({ folder: join(folder.path, "data"), scope: "up" });
  const { transport, store: { artifacts } } = embedded;
  // Copied by the file system, written in pieces, written by one call.
  const sizes = { large: 2 * 1024 * 1024, middle: 800 * 1024, small: 200 * 1024 };
  const out = join(folder.path, "out");
  using _disk = mountSmallDisk(out, "128k");
  for (const [name, size] of Object.entries(sizes)) {
    await transport.putBlob(name, name, filled(size));
    await assert.rejects(saveArtifacts(artifacts, name, out, "flutter-ci artifacts a-run"), (error) => {
      assert.ok(error instanceof UnavailableError);
      assert.equal(error.message, `Cannot save the artifact "${name}" in "${out}": no space left there`);
      const hint = `It is kept with the run ${name}. Fetch it again: flutter-ci artifacts a-run -o DIR`;
      assert.equal(error.hint, hint);
      return true;
    });
    assert.deepEqual(await readdir(out), []);
  }
});
