import assert from "node:assert/strict";
import { join } from "node:path";
import { needing } from "../support/needs.ts";
import { noOwnMounts, withOwnMounts } from "../support/own-mounts.ts";
import { root, runtime, startProgram, temporaryFolder } from "./start-program.ts";

const { test } = needing(noOwnMounts);

/** Starts a command where a folder cannot be written to, even by root. */
const withReadOnly = (folder: string) => withOwnMounts('mount -t tmpfs -o ro tmpfs "$1"', folder);

test("submit refuses an --output that cannot be made before it asks the control plane for anything", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const [command = "", ...args] = withReadOnly(path);
  for (const output of [path, join(path, "a/b")]) {
    await using submit = startProgram(command, [
      ...[...args, join(root, "bin/flutter-ci"), "submit", "--api", "http://127.0.0.1:1"],
      ...["--image", "one", "-c", "make", "-a", "made", "-o", output, "https://git.example.com/app.git"],
    ], { env: { CONVEYOR_RUNTIME: runtime, CONVEYOR_TOKEN: "t0ken" } });
    const { code, stderr } = await submit.ended;
    assert.match(
      stderr,
      new RegExp(`^error: Invalid --output "${output}": Cannot write to "${path}": EROFS`),
    );
    assert.equal(code, 2);
  }
});
