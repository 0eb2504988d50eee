import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { root, startProgram } from "../cli/start-program.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** Makes the package for authors in a new folder, with `scripts/package`. */
export async function makePackage() {
  const place = await temporaryFolder();
  const folder = join(place.path, "package");
  const { code, stderr } = await startProgram(join(root, "scripts/package"), [folder]).ended;
  assert.equal(code, 0, stderr);
  const archive = (await readdir(place.path)).find((name) => name.endsWith(".tgz"));
  assert.ok(archive);
  return {
    folder,
    archive: join(place.path, archive),
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}
