import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { getuid } from "node:process";
import { test } from "node:test";
import { root, runtime, startProgram, temporaryFolder } from "./start-program.ts";

/** Starts a command where a folder cannot be written to, even by root. */
const withReadOnly = (folder: string) => [
  "unshare",
  "--mount",
  ...(getuid?.() === 0 ? [] : ["--map-root-user"]),
  "sh",
  "-ec",
  'mount -t tmpfs -o ro tmpfs "$0"; exec "$@"',
  folder,
];
const [command = "", ...args] = withReadOnly("/mnt");
const skip = spawnSync(command, [...args, "true"]).status === 0
  ? false
  : "no mount of our own can be made here (root or user namespaces)";

test("submit refuses an --output that cannot be made before it asks the control plane for anything", {
  skip,
}, async () => {
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
