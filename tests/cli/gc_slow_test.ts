import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { containerName, runLabels } from "../../lib/build/labels.ts";
import { answer, type FakeRequest, startFakeDaemon } from "../docker/fake-daemon.ts";
import { flutterCi, temporaryFolder } from "./start-program.ts";

const NETWORKS = ["busy", "free"].map((run) => ({
  Id: run,
  Name: containerName(run),
  Labels: runLabels("them", run),
  Created: "2020-01-01T00:00:00Z",
}));

/** A daemon with the networks of two runs, of which it cannot remove one. */
function handle({ line, socket }: FakeRequest): void {
  if (/^DELETE .*\/networks\/busy/.test(line)) {
    return void socket.write(answer(500, { message: "device or resource busy" }));
  }
  if (line.startsWith("DELETE ")) return void socket.write("HTTP/1.1 204 X\r\n\r\n");
  if (line.includes("/networks")) return void socket.write(answer(200, NETWORKS));
  if (line.includes("/containers/json")) return void socket.write(answer(200, []));
  if (line.includes("/volumes")) return void socket.write(answer(200, { Volumes: [] }));
  socket.write(answer(200, { ID: "d", Name: "host", NCPU: 1, SystemTime: "2026-01-01T00:00:00Z" }));
}

test("gc says what it has removed and what Docker could not remove, and fails", async () => {
  await using folder = await temporaryFolder();
  await using daemon = await startFakeDaemon(handle);
  const gc = (...words: string[]) =>
    flutterCi([
      ...["gc", "--all-owners", "--data", join(folder.path, "none")],
      ...["--docker", `unix://${daemon.endpoint.socketPath}`, ...words],
    ]);
  const { code, stdout, stderr } = await gc();
  assert.deepEqual([code, stdout, stderr], [
    3,
    `Removed network ${containerName("free")} of the installation them\n`,
    `Cannot remove ${containerName("busy")}: device or resource busy\n`,
  ]);
  const json = await gc("--json");
  assert.deepEqual([json.code, json.stderr], [3, ""]);
  assert.deepEqual(json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line)), [
    { type: "failed", name: containerName("busy"), message: "device or resource busy" },
    { type: "network", name: containerName("free"), owner: "them", dryRun: false },
  ]);
});
