import assert from "node:assert/strict";
import { needing } from "../support/needs.ts";
import { noOwnMounts, withOwnMounts } from "../support/own-mounts.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startChild } from "./embedded-children/start.ts";

const { test } = needing(noOwnMounts);

/** Starts a command where a folder is a small disk. */
const onSmallDisk = (folder: string, size: string) =>
  withOwnMounts('mount -t tmpfs -o "size=$2" tmpfs "$1"', folder, size);

test("a full disk stops logs and artifacts with disk-full, while runs can be recorded, ended and removed", async () => {
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

test("openEmbedded refuses a folder whose disk has not the room that is set aside", async () => {
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

test("a data folder opens on a disk without a free byte, with the space set aside, and says what is missing", async () => {
  await using folder = await temporaryFolder();
  for (const how of ["read", "work"]) {
    await using child = startChild("reopen.ts", [folder.path, how], onSmallDisk(folder.path, "40m"));
    const { again, ...came } = JSON.parse(await child.line());
    assert.deepEqual(came, { free: 0, first: how === "read" ? "1 run, 1 line" : "opened", isSpent: true });
    assert.match(
      again,
      /^Cannot use ".*\/data" as data folder: its disk has 0 B left, expected 21\.0 MiB at least\nMake room/,
    );
  }
});
