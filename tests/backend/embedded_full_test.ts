import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { getuid } from "node:process";
import { test } from "node:test";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startChild } from "./embedded-children/start.ts";

/** Starts a command where a folder is a small disk that nobody else sees and that is gone with it. */
const onSmallDisk = (folder: string) => [
  "unshare",
  "--mount",
  ...(getuid?.() === 0 ? [] : ["--map-root-user"]),
  "sh",
  "-ec",
  `mount -t tmpfs -o size=${SIZE} tmpfs "$0"; exec "$@"`,
  folder,
];
const SIZE = "60m";

const [command = "", ...args] = onSmallDisk("/mnt");
const skip = spawnSync(command, [...args, "true"]).status === 0
  ? false
  : "no mount of our own can be made here (root or user namespaces)";

test("a full disk stops logs and artifacts with disk-full, while runs can be recorded, ended and removed", {
  skip,
}, async () => {
  await using folder = await temporaryFolder();
  await using child = startChild("fill.ts", [folder.path], onSmallDisk(folder.path));
  const { stored, ...came } = JSON.parse(await child.line());
  assert.ok(stored > 100);
  assert.deepEqual(came, {
    logs: "disk-full",
    artifact: "disk-full",
    record: "done",
    messages: "done",
    more: "disk-full",
    readable: true,
    partial: [],
    removed: "done",
    after: "done",
  });
});
