import assert from "node:assert/strict";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { root, startProgram, temporaryFolder } from "../cli/start-program.ts";
import { until } from "../support/until.ts";

test("a release that is told to stop leaves no temporary folder", async () => {
  await using folder = await temporaryFolder();
  const temporary = join(folder.path, "tmp");
  await mkdir(temporary);
  for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
    await using release = startProgram(
      join(root, ".tools/bin/bun"),
      [
        "--no-env-file",
        join(root, "scripts/releases/release.ts"),
        "--target",
        "linux-x64",
        "--out",
        join(folder.path, "out"),
      ],
      { env: { TMPDIR: temporary }, cwd: root },
    );
    await until(async () => (await readdir(temporary)).length > 0, "there is a temporary folder");
    release.kill(signal);
    const { code: ended, stderr } = await release.ended;
    assert.equal(ended, code, stderr);
    assert.deepEqual(await readdir(temporary), []);
  }
});
