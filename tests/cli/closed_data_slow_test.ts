import assert from "node:assert/strict";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { needing } from "../support/needs.ts";
import { AS_UNKNOWN_USER, noUnknownUser } from "../support/unknown-user.ts";
import { root, runtime, startProgram, temporaryFolder } from "./start-program.ts";

const { test } = needing(noUnknownUser);

test("a data folder that this user may not read is refused with what to do", async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, "data");
  await mkdir(data);
  await chmod(data, 0o000);
  const [command = "", ...before] = AS_UNKNOWN_USER;
  for (const name of ["runs", "logs", "cancel", "gc", "up"]) {
    const run = ["logs", "cancel"].includes(name) ? ["last"] : [];
    const words = [...before, join(root, "bin/flutter-ci"), name, ...run, "--data", data];
    const ended = await startProgram(command, words, { env: { CONVEYOR_RUNTIME: runtime } }).ended;
    assert.equal(ended.code, 3, ended.stderr);
    assert.match(
      ended.stderr,
      /^error: .*\/data.*\nRun this as the user that owns it, or name another data folder with --data\.\n$/,
    );
  }
});
