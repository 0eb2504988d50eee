import assert from "node:assert/strict";
import { chmod, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { UnavailableError } from "../../lib/base/errors.ts";
import { announcedServer, announceServer } from "../../lib/cli/shared/api/server-file.ts";
import { givenToken, ownToken, tokenOf } from "../../lib/cli/shared/api/token.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

test("ownToken makes a token once, for the user alone, and leaves no other file", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "token");
  assert.equal(await tokenOf(folder.path), undefined);
  const token = await ownToken(folder.path);
  assert.equal(Buffer.from(token, "base64url").length, 32);
  assert.deepEqual([await readFile(path, "utf8"), await modeOf(path)], [`${token}\n`, 0o600]);
  await chmod(path, 0o644);
  assert.equal(await ownToken(folder.path), token);
  assert.equal(await modeOf(path), 0o600);
  assert.equal(await tokenOf(folder.path), token);
  assert.deepEqual(await readdir(folder.path), ["token"]);
  await using other = await temporaryFolder();
  assert.notEqual(await ownToken(other.path), token);
});

test("ownToken says where it cannot keep the token, and follows no link", async () => {
  await using folder = await temporaryFolder();
  await assert.rejects(ownToken(join(folder.path, "missing")), (error: UnavailableError) => {
    assert.ok(error instanceof UnavailableError);
    assert.match(error.message, /^Cannot keep the token in ".*missing\/token"$/);
    return true;
  });
  await writeFile(join(folder.path, "elsewhere"), "of somebody else\n");
  await symlink(join(folder.path, "elsewhere"), join(folder.path, "token"));
  await assert.rejects(tokenOf(folder.path), /it is a symbolic link/);
  await assert.rejects(ownToken(folder.path), /it is a symbolic link/);
});

test("givenToken takes the file before the variable, and blanks for no token", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "t");
  await writeFile(file, " from-file\n");
  assert.equal(await givenToken(file, { CONVEYOR_TOKEN: "from-variable" }), "from-file");
  assert.equal(await givenToken(undefined, { CONVEYOR_TOKEN: " from-variable\n" }), "from-variable");
  assert.equal(await givenToken(undefined, { CONVEYOR_TOKEN: " " }), undefined);
  assert.equal(await givenToken(undefined, {}), undefined);
});

test("announceServer tells commands of this folder where it is until it ends, and nobody else", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "server.json");
  assert.equal(await announcedServer(folder.path), undefined);
  {
    await using _ = await announceServer(folder.path, "http://127.0.0.1:7000/");
    assert.equal(await announcedServer(folder.path), "http://127.0.0.1:7000");
    assert.deepEqual([await readdir(folder.path), await modeOf(path)], [["server.json"], 0o600]);
    await using again = await announceServer(folder.path, "http://127.0.0.1:7001");
    assert.equal(await announcedServer(folder.path), "http://127.0.0.1:7001");
    await again[Symbol.asyncDispose]();
  }
  assert.deepEqual(await readdir(folder.path), []);
  for (const text of ["", "{}", '{"url":"no url"}', "[".repeat(1e5)]) {
    await writeFile(path, text);
    assert.equal(await announcedServer(folder.path), undefined);
  }
  await using other = await temporaryFolder();
  await symlink(path, join(other.path, "server.json"));
  await assert.rejects(announcedServer(other.path), /it is a symbolic link/);
});
