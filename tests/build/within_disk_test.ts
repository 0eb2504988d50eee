import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable, StepFailure } from "../../lib/base/errors.ts";
import { aborted } from "../../lib/base/signals.ts";
import { containerName, idleName, runLabels, serviceName } from "../../lib/build/labels.ts";
import { withinDisk } from "../../lib/build/within-disk.ts";
import { type Docker, DockerError } from "../../lib/docker/docker.ts";
import { captureLog } from "../support/process-log.ts";
import { testPolicy, testSettings } from "../support/settings.ts";

const MIB = 1024 ** 2;
const run = "r";

/**
 * What becomes of work that goes on until it is told to stop, or until the disk has been looked at so many
 * times.
 */
async function watched(
  given: { minFreeBytes?: number; maxDiskBytes?: number },
  taken: (() => number | Promise<never>)[],
  info: () => Promise<unknown> = () => Promise.resolve({ rootFolder: "/" }),
): Promise<unknown> {
  const settings = testSettings({ minFreeBytes: given.minFreeBytes ?? 0 });
  const policy = testPolicy({ maxDiskBytes: given.maxDiskBytes });
  const looked = Promise.withResolvers<string>();
  const answers = taken.values();
  const docker = {
    endpoint: "unix:///x",
    // Some disk that there is.
    info,
    volumes: () => Promise.resolve([]),
    list: () =>
      Promise.resolve([
        { id: "b", name: idleName(run), labels: runLabels("other", run), volumes: {} },
        { id: "i", name: idleName(run), labels: runLabels(settings.owner, run), volumes: {} },
        { id: "c", name: containerName(run), labels: runLabels(settings.owner, run), volumes: {} },
        { id: "s", name: serviceName(run, "db"), labels: runLabels(settings.owner, run) },
        { id: "x", name: serviceName("other", "db"), labels: runLabels(settings.owner, "other") },
      ]),
    diskBytes: (containers: readonly string[]) => {
      assert.deepEqual(containers, ["c", "s"]);
      const { value } = answers.next();
      if (value) return Promise.resolve().then(value);
      looked.resolve("goes on");
      return Promise.resolve(0);
    },
  } as unknown as Docker;
  const context = { docker, run, settings, policy, signal: new AbortController().signal };
  return await withinDisk(context, ({ signal }) =>
    Promise.race([
      looked.promise,
      aborted(signal).then(() => {
        throw signal.reason;
      }),
    ]), { everyMs: 1 }).catch((error) =>
      error instanceof StepFailure ? `${error.reason}: ${error.message}` : error
    );
}

test("withinDisk ends a build that takes more than it may, and forgives a daemon that cannot tell", async () => {
  const busy = () =>
    Promise.reject(new DockerError("a disk usage operation is already running", { status: 500 }));
  assert.equal(
    await watched({ maxDiskBytes: 10 * MIB }, [busy, () => 10 * MIB, () => 11 * MIB]),
    "disk-full: The build takes 11.0 MiB of disk, more than the 10.0 MiB that are allowed here",
  );
  assert.equal(await watched({ maxDiskBytes: 10 * MIB }, [() => MIB]), "goes on");
});

test("withinDisk ends builds before Docker's disk is full, also those that seem to take nothing", async () => {
  assert.match(
    String(await watched({ minFreeBytes: 2 ** 60 }, [() => MIB])),
    /^disk-full: Docker has .* of disk left, and the build takes 1\.0 MiB of it$/,
  );
});

test("withinDisk asks nobody where nobody has set a limit", async () => {
  const [settings, policy] = [testSettings(), testPolicy()];
  const docker = {} as Docker;
  const context = { docker, run, settings, policy, signal: new AbortController().signal };
  assert.equal(await withinDisk(context, (same) => Promise.resolve(same === context)), true);
});

test("withinDisk holds a build to its limits though Docker did not answer at first, and says so once", async () => {
  await using log = await captureLog();
  const away = () => Promise.reject(new Retryable("Docker is away", { reason: "docker-unreachable" }));
  const answers = [away, away];
  const info = () => (answers.shift() ?? (() => Promise.resolve({ rootFolder: "/" })))();
  assert.match(
    String(await watched({ maxDiskBytes: 10 * MIB }, [() => MIB, () => 11 * MIB], away)),
    /^disk-full: The build takes 11\.0 MiB/,
  );
  assert.match(
    String(await watched({ minFreeBytes: 2 ** 60 }, [() => MIB], info)),
    /^disk-full: Docker has /,
  );
  assert.deepEqual(answers, []);
  const said = log.lines.filter((line) => line.startsWith("warning: Cannot ask Docker where its disk is"));
  assert.equal(said.length, 2);
  assert.match(said[0] ?? "", /Docker is away; until it answers, run r is not held to --min-free/);
});

test("withinDisk says that it no longer watches where a fault of ours ends the watch", async () => {
  await using log = await captureLog();
  const broken = () => Promise.reject(new TypeError("ours"));
  const context = {
    docker: { endpoint: "unix:///x", info: broken } as unknown as Docker,
    run,
    settings: testSettings({ minFreeBytes: 1 }),
    policy: testPolicy(),
    signal: new AbortController().signal,
  };
  await withinDisk(context, () => log.line(/The disk that run r takes is no longer watched: ours/), {
    everyMs: 1,
  });
});
