import assert from "node:assert/strict";
import { test } from "node:test";
import { newCommand } from "../../lib/driver/program/command-line/command.ts";
import { driverSettings } from "../../lib/driver/program/driver-settings.ts";
import { withLimitFlags } from "../../lib/driver/program/limit-flags.ts";
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
  const command = withLimitFlags(newCommand({ path: "x", summary: "x", examples: [] }));
  const options = command.parse(words, { from: "user" }).opts();
  const environment = { HOME: "/home/me", SECRET: "no" };
  const gitAccess = { gitTokens: { "a.example": "t" }, gitImage: undefined, gitKnownHosts: "" };
  return driverSettings(options, { owner: "o", info, gitAccess, environment });
}

test("driverSettings allows nothing more than the defaults where no flag says so", () => {
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
    maxCpus: undefined,
    maxMemory: undefined,
    maxPids: 4096,
    maxDiskBytes: undefined,
    maxTimeoutMs: undefined,
    allowImages: [],
    allowNetworks: [],
    allowEnv: [],
    allowPrivileged: false,
    allowLocalRepository: false,
    gitTokens: { "a.example": "t" },
    gitImage: undefined,
    gitKnownHosts: "",
    allowKeep: false,
    environment: { HOME: "/home/me", SECRET: "no" },
    dockerConfig: "/home/me/.docker",
  });
});

test("driverSettings takes every limit from its flag", () => {
  const words =
    "--host-id h --slots 7 --grace 1s --min-free 1k --max-log 2k --max-log-lines 8 --max-artifacts 3k --max-artifact-files 9 --max-cpus 1.5 " +
    "--max-memory 4k --max-pids 5 --max-disk 6k --max-timeout 1m --allow-image a --allow-image b --allow-network n --allow-env E --allow-privileged --allow-keep";
  const { host, slots, graceMs, minFreeBytes, maxLogBytes, maxArtifactBytes, maxArtifactFiles, ...rest } =
    settings(
      ...words.split(" "),
    );
  assert.deepEqual(
    { host, slots, graceMs, minFreeBytes, maxLogBytes, maxArtifactBytes, maxArtifactFiles },
    {
      host: "h",
      slots: 7,
      graceMs: 1000,
      minFreeBytes: 1024,
      maxLogBytes: 2048,
      maxArtifactBytes: 3072,
      maxArtifactFiles: 9,
    },
  );
  const { maxCpus, maxMemory, maxPids, maxDiskBytes, maxTimeoutMs, allowImages, allowNetworks, allowEnv } =
    rest;
  assert.deepEqual(
    { maxCpus, maxMemory, maxPids, maxDiskBytes, maxTimeoutMs, allowImages, allowNetworks, allowEnv },
    {
      maxCpus: 1.5,
      maxMemory: 4096,
      maxPids: 5,
      maxDiskBytes: 6144,
      maxTimeoutMs: 60_000,
      allowImages: ["a", "b"],
      allowNetworks: ["n"],
      allowEnv: ["E"],
    },
  );
  assert.deepEqual([rest.allowPrivileged, rest.allowKeep], [true, true]);
});
