import assert from "node:assert/strict";
import { test } from "node:test";
import { announcementName, containerName, LABELS } from "../../lib/build/labels.ts";
import { waitForRoom } from "../../lib/build/room.ts";
import { housekeepHost } from "../../lib/build/housekeep-host.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import { connectDocker } from "../../lib/docker/dockerode.ts";
import { answer, startFakeDaemon } from "../docker/fake-daemon.ts";
import { asked } from "../support/asked.ts";
import { captureLog } from "../support/process-log.ts";
import { testPolicy, testSettings } from "../support/settings.ts";

const { signal } = new AbortController();
const settings = testSettings({ slots: 1000 });
const NOW = Date.UTC(2026, 0, 2);
const ofRun = (run: string) => ({
  [LABELS.owner]: settings.owner,
  [LABELS.run]: run,
  [LABELS.expires]: String(NOW + 1000),
});

/** A daemon with so many containers of an owner, each with its volume and its network. */
function startHost(containers: number) {
  const runs = Array.from({ length: containers }, (_, i) => `run-${i}`);
  const answers: Record<string, unknown> = {
    "/containers/json": runs.map((run, i) => ({
      Id: `c${i}`,
      Names: [`/${containerName(run)}`],
      Labels: ofRun(run),
      State: "running",
      Created: NOW / 1000,
    })),
    "/volumes": { Volumes: runs.map((run) => ({ Name: `v-${run}`, Labels: ofRun(run) })) },
    "/networks": runs.map((run, i) => ({ Id: `n${i}`, Name: containerName(run), Labels: ofRun(run) })),
    "/info": { MemTotal: 2 ** 36, SystemTime: new Date(NOW).toISOString() },
  };
  return startFakeDaemon(({ line, socket }) => {
    const [, path = ""] = /^GET ([^?]*)/.exec(line) ?? [];
    socket.write(path in answers ? answer(200, answers[path]) : answer(500, { message: line }));
  });
}

for (const containers of [1, 200]) {
  test(`waitForRoom asks the daemon twice with containers: ${containers}`, async () => {
    await using daemon = await startHost(containers);
    await using docker = connectDocker(daemon.endpoint);
    assert.equal(await waitForRoom(asked({ docker, settings, isHere: true, signal })), true);
    assert.equal(daemon.requests.length, 2);
  });

  test(`housekeepHost asks the daemon four times where all is alive, with containers: ${containers}`, async () => {
    await using daemon = await startHost(containers);
    await using docker = connectDocker(daemon.endpoint);
    const runs: string[] = [];
    // Half of them are said to be alive; of the others nobody knows, and they have not expired.
    const askRun = (run: string) => {
      runs.push(run);
      return Promise.resolve(runs.length % 2 ? "works" as const : undefined);
    };
    await housekeepHost({ docker, policy: testPolicy(), settings, askRun, signal });
    assert.deepEqual(runs, Array.from({ length: containers }, (_, i) => `run-${i}`));
    assert.equal(daemon.requests.length, 4);
  });
}

test("housekeepHost removes nothing that only carries our labels: no volume, and no network of another name", async () => {
  const expired = { ...ofRun("late"), [LABELS.expires]: String(NOW - 1) };
  const removed: string[] = [];
  const answers: Record<string, unknown> = {
    "/info": { SystemTime: new Date(NOW).toISOString() },
    "/containers/json": [
      { Id: "c", Names: ["/somebody-else"], Labels: expired, State: "running", Created: NOW / 1000 },
    ],
    "/volumes": {
      Volumes: [
        { Name: "v", Labels: expired },
        { Name: "copied", Labels: { ...expired, [LABELS.starts]: "c0" } },
        { Name: announcementName("c0"), Labels: { ...expired, [LABELS.starts]: "c0" } },
      ],
    },
    "/networks": [
      { Id: "n", Name: "somebody-else", Labels: expired },
      { Id: "ours", Name: containerName("late"), Labels: expired },
      { Id: "in-use", Name: containerName("late"), Labels: expired },
    ],
  };
  await using daemon = await startFakeDaemon(({ line, socket }) => {
    const [, method = "", path = ""] = /^([A-Z]+) ([^?]*)/.exec(line) ?? [];
    if (method === "DELETE") removed.push(path);
    if (path === "/networks/in-use") socket.write(answer(403, { message: "has active endpoints" }));
    else socket.write(answer(method === "DELETE" ? 204 : 200, answers[path] ?? []));
  });
  await using docker = connectDocker(daemon.endpoint);
  await housekeepHost({
    docker,
    policy: testPolicy(),
    settings,
    askRun: () => Promise.resolve("over"),
    signal,
  });
  assert.deepEqual(removed, [`/volumes/${announcementName("c0")}`, "/networks/ours", "/networks/in-use"]);
});

test("waitForRoom says once what lacks, though how much of it does changes", async () => {
  await using log = await captureLog();
  const GIB = 1024 ** 3;
  const leaving = new AbortController();
  let looks = 0;
  // A container more at every look.
  const docker = {
    now: () => Promise.resolve(0),
    async *changes() {},
    info: () => Promise.resolve({ memory: 100 * GIB }),
    list: () => {
      if (++looks === 2) leaving.abort(new Error("left"));
      const one = { name: "one", state: "running", labels: { [LABELS.memory]: String(80 * GIB) } };
      return Promise.resolve(Array.from({ length: looks }, () => one));
    },
  } as unknown as Docker;
  const waiting = waitForRoom(asked({ docker, settings, signal: leaving.signal }));
  await assert.rejects(waiting, /left/);
  assert.deepEqual(
    log.lines.filter((line) => line.includes("Takes no new run")),
    ["info: Takes no new run: waiting for memory (80.0 GiB of 80.0 GiB in use)"],
  );
});
