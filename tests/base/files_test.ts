import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { UnavailableError } from "../../lib/base/errors.ts";
import { lstatIfThere, readIfThere } from "../../lib/base/files.ts";
import { tokenOf } from "../../lib/cli/shared/api/token.ts";
import { dataFolder } from "../../lib/driver/program/data-folder.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

test("readIfThere takes a missing file or folder for absent, and no other error", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  await writeFile(at("file"), "text");
  await symlink("loop", at("loop"));
  assert.equal(await readIfThere(at("file")), "text");
  assert.equal(await readIfThere(at("absent")), undefined);
  assert.equal(await readIfThere(at("file/below")), undefined);
  for (const path of [folder.path, at("loop"), at("x".repeat(300))]) {
    await assert.rejects(readIfThere(path), refusal(path));
  }
  assert.equal(lstatIfThere(at("file/below")), undefined);
  assert.throws(() => lstatIfThere(at("x".repeat(300))), refusal(at("x".repeat(300))));
});

test("tokenOf says that a token cannot be read, and takes none through a link", async () => {
  await using folder = await temporaryFolder();
  assert.equal(await tokenOf(folder.path), undefined);
  await mkdir(join(folder.path, "token"));
  await assert.rejects(tokenOf(folder.path), refusal(join(folder.path, "token")));
  const data = join(folder.path, "data");
  await mkdir(data);
  await writeFile(join(folder.path, "elsewhere"), "secret");
  await symlink(join(folder.path, "elsewhere"), join(data, "token"));
  await assert.rejects(tokenOf(data), refusal(join(data, "token")));
});

test("dataFolder follows no link below the working folder, and those of the user's own elsewhere", async () => {
  await using folder = await temporaryFolder();
  const before = process.cwd();
  await mkdir(join(folder.path, "tree"));
  await mkdir(join(folder.path, "home"));
  await symlink(join(folder.path, "home"), join(folder.path, "tree", "link"));
  await symlink(join(folder.path, "home"), join(folder.path, "own"));
  process.chdir(join(folder.path, "tree"));
  try {
    for (const named of ["link", "link/data", "./link/a/b", join(process.cwd(), "link")]) {
      assert.throws(() => dataFolder(named, {}), refusal(join(process.cwd(), "link")), named);
    }
    assert.equal(dataFolder("data/x", {}), join(process.cwd(), "data/x"));
    assert.equal(dataFolder("../own", {}), join(process.cwd(), "../own"));
  } finally {
    process.chdir(before);
  }
});

function refusal(path: string) {
  return (error: Error) => {
    assert.ok(error instanceof UnavailableError, String(error));
    assert.ok(error.message.includes(path), error.message);
    return true;
  };
}
