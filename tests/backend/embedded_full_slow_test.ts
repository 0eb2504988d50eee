import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { getuid } from "node:process";
import { test } from "node:test";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startChild } from "./embedded-children/start.ts";

/** Starts a command where a folder is a small disk that nobody else sees and that is gone with it. */
const onSmallDisk = (folder: string, size: string) => [
  "unshare",
  "--mount",
  ...(getuid?.() === 0 ? [] : ["--map-root-user"]),
  "sh",
  "-ec",
  `mount -t tmpfs -o size=${size} tmpfs "$0"; exec "$@"`,
  folder,
];
const [command = "", ...args] = onSmallDisk("/mnt", "1m");
const skip = spawnSync(command, [...args, "true"]).status === 0
  ? false
  : "no mount of our own can be made here (root or user namespaces)";

test("a full disk stops logs and artifacts with disk-full, while runs can be recorded, ended and removed", {
  skip,
}, async () => {
  await using folder = await temporaryFolder();
  await using child = startChild("fill.ts", [folder.path], onSmallDisk(folder.path, "60m"));
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

test("openEmbedded refuses a folder whose disk has not the room that is set aside", { skip }, async () => {
  await using folder = await temporaryFolder();
  for (const size of ["4k", "40k", "1m", "20m"]) {
    await using child = startChild("fill.ts", [folder.path], onSmallDisk(folder.path, size));
    await assert.rejects(child.line(), (error: Error) => {
      assert.match(error.message, /UnavailableError/);
      assert.match(error.message, /no space left|left, expected 21\.0 MiB at least/i);
      assert.ok(error.message.includes(folder.path));
      return true;
    });
  }
});
