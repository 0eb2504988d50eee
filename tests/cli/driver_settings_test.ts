import assert from "node:assert/strict";
import { test } from "node:test";
import { newCommand } from "../../lib/driver/program/command-line/command.ts";
import { driverSettings } from "../../lib/driver/program/driver-settings.ts";
import { withSettingsFlags } from "../../lib/driver/program/settings-flags.ts";
import { hostId } from "../../lib/driver/program/host-id.ts";
import type { DaemonInfo } from "../../lib/docker/docker.ts";

const info: DaemonInfo = {
  id: "A:B",
  name: "host",
  version: "1",
  architecture: "amd64",
  cpus: 3,
  memory: 1,
  filtersBridges: true,
  rootFolder: "/",
  now: 0,
};

function settings(...words: string[]) {
  const command = withSettingsFlags(newCommand({ path: "x", summary: "x", examples: [] }));
  return driverSettings(command.parse(words, { from: "user" }).opts(), { owner: "o", info });
}

test("driverSettings are the defaults where no flag says otherwise", () => {
  assert.deepEqual(settings(), {
    owner: "o",
    host: hostId(info),
    slots: 3,
    graceMs: 10_000,
    minFreeBytes: 2 * 1024 ** 3,
    maxLogBytes: 1024 ** 3,
    maxLogLines: undefined,
    maxArtifactBytes: 2 * 1024 ** 3,
    maxArtifactFiles: 10_000,
    maxTimeoutMs: undefined,
  });
});

test("driverSettings takes every limit from its flag", () => {
  const words =
    "--host-id h --slots 7 --grace 1s --min-free 1k --max-log 2k --max-log-lines 8 --max-artifacts 3k --max-artifact-files 9 --max-timeout 1m";
  assert.deepEqual(settings(...words.split(" ")), {
    owner: "o",
    host: "h",
    slots: 7,
    graceMs: 1000,
    minFreeBytes: 1024,
    maxLogBytes: 2048,
    maxLogLines: 8,
    maxArtifactBytes: 3072,
    maxArtifactFiles: 9,
    maxTimeoutMs: 60_000,
  });
});

test("a driver that uses no Docker has no flags for containers, and works with their defaults", () => {
  const command = withSettingsFlags(newCommand({ path: "x", summary: "x", examples: [] }), {
    usesDocker: false,
  });
  const help = command.helpInformation();
  for (const flag of ["--docker", "--slots", "--grace", "--min-free"]) {
    assert.doesNotMatch(help, new RegExp(`${flag} `));
    assert.throws(() => command.parse([flag, "1"], { from: "user" }), /unknown option/);
  }
  assert.match(help, /--max-log <size>/);
  const { graceMs, slots } = driverSettings(command.parse([], { from: "user" }).opts(), { owner: "o", info });
  assert.deepEqual([graceMs, slots], [10_000, 3]);
});
