import assert from "node:assert/strict";
import { test } from "node:test";
import { containerName, gitContainerName, idleName, LABELS, runLabels } from "../../lib/build/labels.ts";
import { DockerError } from "../../lib/docker/docker.ts";
import { reclaim } from "../../lib/build/reclaim.ts";
import { waitForRoom } from "../../lib/build/room.ts";
import type { AskRun } from "../../lib/driver/host/run-state.ts";
import { asked } from "../support/asked.ts";
import { captureLog } from "../support/process-log.ts";
import { testSettings } from "../support/settings.ts";
import { DAEMON, fakeDocker } from "./fake-docker.ts";

const GIB = 1024 ** 3;
const { signal } = new AbortController();
type State = Awaited<ReturnType<AskRun>>;

interface World {
  /** What an engine says of the runs that have a container here. */
  readonly runs?: Record<string, State>;
  readonly keep?: string;
  readonly memory?: number;
  readonly settings?: Parameters<typeof testSettings>[0];
  readonly asked?: Partial<Parameters<typeof asked>[0]>;
  readonly rootFolder?: string;
}

/** Whether a host has room at once; false where it has to wait. */
async function room({ runs = {}, keep = "never", memory = GIB, rootFolder = "/", ...given }: World) {
  const fake = fakeDocker();
  for (const run of Object.keys(runs)) {
    fake.add(containerName(run), {
      ...runLabels("me", run),
      [LABELS.keep]: keep,
      [LABELS.memory]: String(memory),
    });
  }
  Object.assign(fake.docker, {
    endpoint: "unix:///x",
    info: () => Promise.resolve({ ...DAEMON, rootFolder }),
  });
  const isFree = await waitForRoom(asked({
    docker: fake.docker,
    settings: testSettings({ owner: "me", minFreeBytes: 0, slots: 1, ...given.settings }),
    isHere: true,
    askRun: (run) => Promise.resolve(runs[run]),
    signal,
    ...given.asked,
  }));
  return { isFree, left: [...fake.containers.values()].map(({ name }) => name) };
}

test("a host has room as long as a slot is free, counting events that have no container yet", async () => {
  assert.equal((await room({})).isFree, true);
  assert.equal((await room({ runs: { a: "works" } })).isFree, false);
  const two = { slots: 2 };
  assert.equal((await room({ runs: { a: "works" }, settings: two })).isFree, true);
  assert.equal((await room({ runs: { a: "works", b: "works" }, settings: two })).isFree, false);
  assert.equal(
    (await room({ runs: { a: "works", b: "works" }, settings: { slots: undefined } })).isFree,
    true,
  );
  // One in hand has no container yet; one whose container is here counts once.
  assert.equal((await room({ settings: two, asked: { inHand: 1 } })).isFree, true);
  assert.equal((await room({ settings: two, asked: { inHand: 2 } })).isFree, false);
  // Two that leave memory for two more, on three slots.
  const small = { runs: { a: "works", b: "works" }, memory: GIB, settings: { slots: 3 } } as const;
  assert.equal((await room(small)).isFree, true);
  assert.equal((await room({ ...small, asked: { inHand: 1 } })).isFree, false);
  const once = { inHand: 1, runs: ["a"] };
  assert.equal((await room({ runs: { a: "works" }, settings: two, asked: once })).isFree, true);
  // A redelivered event has taken its room already.
  assert.equal((await room({ runs: { a: "works" }, asked: { run: "a" } })).isFree, true);
});

test("a host has room as long as a build without a limit of its own has memory", async () => {
  // 10 GiB, of which builds may have 8: 4 for each of two.
  const two = { slots: 2 };
  assert.equal((await room({ runs: { a: "works" }, memory: 4 * GIB, settings: two })).isFree, true);
  assert.equal((await room({ runs: { a: "works" }, memory: 4 * GIB + 1, settings: two })).isFree, false);
  const three = { slots: 3 };
  assert.equal(
    (await room({ runs: { a: "works" }, memory: 4 * GIB, settings: three, asked: { inHand: 1 } })).isFree,
    false,
  );
});

test("a disk that is too full keeps runs out, and one that cannot be seen is said once", async () => {
  await using log = await captureLog();
  assert.equal((await room({ settings: { minFreeBytes: 1 } })).isFree, true);
  assert.equal((await room({ settings: { minFreeBytes: 2 ** 60 } })).isFree, false);
  const fake = fakeDocker();
  Object.assign(fake.docker, { info: () => Promise.resolve({ ...DAEMON, rootFolder: "/var/lib/docker" }) });
  const settings = testSettings({ owner: "me", minFreeBytes: 1 });
  for (let i = 0; i < 2; i++) {
    assert.equal(await waitForRoom(asked({ docker: fake.docker, settings, isHere: true, signal })), true);
  }
  assert.deepEqual(log.lines, [
    "warning: Cannot see how much disk Docker has left in /var/lib/docker at fake: --min-free has no effect",
  ]);
});

test("whoever waits is told for what, in words that its log has once", async () => {
  await using log = await captureLog();
  const told: string[] = [];
  const leaving = new AbortController();
  const waiting = async (world: World) => {
    const tell = (why: string) => {
      told.push(why);
      leaving.abort(new Error("left"));
    };
    await assert.rejects(room({ ...world, asked: { isHere: false, tell, signal: leaving.signal } }), /left/);
  };
  await waiting({ runs: { a: "works" } });
  assert.equal(told[0], "Waiting for a slot (1 of 1 in use)");
  assert.deepEqual(log.lines, ["info: Takes no new run: waiting for a slot (1 of 1 in use)"]);
});

test("containers that take room needlessly are removed where that room is wanted", async () => {
  await using log = await captureLog();
  const cases: [state: State, keep: string, isFree: boolean, left: number][] = [
    ["over", "never", true, 0],
    ["over", "failure", false, 1],
    ["waits", "never", true, 0],
    ["idle", "never", true, 1],
    ["works", "never", false, 1],
    [undefined, "never", false, 1],
  ];
  for (const [state, keep, isFree, left] of cases) {
    const found = await room({ runs: { a: state }, keep });
    assert.deepEqual([found.isFree, found.left.length], [isFree, left], `${state} ${keep}`);
  }
  const name = containerName("a");
  assert.deepEqual(log.lines, [
    `info: Removed ${name}: its run is over`,
    `info: Removed ${name}: its driver was lost before it had reported`,
  ]);
  assert.equal((await room({ runs: { a: "over" }, settings: { slots: 2 } })).left.length, 1);
});

test("reclaim leaves what is not ours, and removes a run that is over with all it has", async () => {
  const fake = fakeDocker();
  fake.add("somebody-else", runLabels("me", "r"));
  fake.add(idleName("r"), runLabels("other", "r"));
  fake.add(idleName("s"), runLabels("me", "s"));
  fake.add(gitContainerName("s"), runLabels("me", "s"));
  const containers = await fake.docker.list({});
  const taking = await reclaim(fake.docker, containers.filter(({ name }) => name !== gitContainerName("s")), {
    owner: "me",
    askRun: () => Promise.resolve("over"),
    signal,
  });
  const others = ["somebody-else", idleName("r")];
  assert.deepEqual(taking.map(({ name }) => name), others);
  assert.deepEqual([...fake.containers.values()].map(({ name }) => name), others);
});

test("reclaim counts what Docker cannot remove as taken, warns of it once, and frees the rest", async () => {
  await using log = await captureLog();
  for (const state of ["over", "waits"] as const) {
    const fake = fakeDocker();
    for (const run of ["stuck", "other"]) fake.add(idleName(run), runLabels("me", run));
    const remove = fake.docker.remove.bind(fake.docker);
    Object.assign(fake.docker, {
      remove: (id: string) =>
        fake.containers.get(id)?.name === idleName("stuck")
          ? Promise.reject(new DockerError("device or resource busy", { status: 500 }))
          : remove(id),
    });
    for (let look = 0; look < 2; look++) {
      const taking = await reclaim(fake.docker, await fake.docker.list({}), {
        owner: "me",
        askRun: () => Promise.resolve(state),
        signal,
      });
      assert.deepEqual(taking.map(({ name }) => name), [idleName("stuck")]);
    }
    assert.deepEqual([...fake.containers.values()].map(({ name }) => name), [idleName("stuck")]);
  }
  const warning = `warning: Cannot remove ${idleName("stuck")}: device or resource busy`;
  assert.deepEqual(log.lines.filter((line) => line.startsWith("warning")), [warning, warning]);
});
