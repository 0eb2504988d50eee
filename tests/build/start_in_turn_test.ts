import assert from "node:assert/strict";
import { test } from "node:test";
import { LABELS } from "../../lib/build/labels.ts";
import { startInTurn } from "../../lib/build/start-in-turn.ts";
import { type ContainerInfo, type Docker, DockerError } from "../../lib/docker/docker.ts";
import type { BuildContext } from "../../lib/build/policy.ts";
import { testSettings } from "../support/settings.ts";

const SHARE = { all: 1000, each: 100 };

interface Container extends Pick<ContainerInfo, "id" | "createdAt"> {
  state: ContainerInfo["state"];
  memory?: number;
}

/**
 * A daemon that has only what a start asks of it. Between question and answer others get their turn, `hops`
 * times.
 */
function daemon(containers: Container[] = [], hops: () => number = () => 0) {
  const volumes = new Map<string, Readonly<Record<string, string>>>();
  const inspected: string[] = [];
  const hearing = new Set<() => void>();
  const others = async () => {
    for (let n = hops(); n > 0; n--) await new Promise((resolve) => setImmediate(resolve));
  };
  const answer = async <T>(work: () => T): Promise<T> => {
    await others();
    const answered = work();
    await others();
    return answered;
  };
  const docker = {
    now: () => answer(() => 0),
    list: () =>
      answer(() =>
        containers.map(({ id, state, createdAt, memory = 100 }) => ({
          id,
          state,
          name: id,
          labels: { [LABELS.memory]: String(memory) },
          createdSecond: Math.floor(createdAt / 1000),
        }))
      ),
    inspect: (id: string) =>
      answer(() => {
        inspected.push(id);
        return containers.find((one) => one.id === id);
      }),
    volumes: () => answer(() => Array.from(volumes, ([name, labels]) => ({ name, labels }))),
    createVolume: ({ name, labels }: { name: string; labels: Record<string, string> }) =>
      answer(() => void volumes.set(name, labels)),
    removeVolume: (name: string) => answer(() => volumes.delete(name)),
    async *changes(_: unknown, { signal }: { signal: AbortSignal }) {
      while (!signal.aborted) {
        await new Promise<void>((resolve) => {
          hearing.add(resolve);
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
        yield;
      }
    },
  } as unknown as Docker;
  const change = (work: () => void) => {
    work();
    for (const heard of hearing) heard();
    hearing.clear();
  };
  return { docker, containers, volumes, inspected, answer, change };
}

type Daemon = ReturnType<typeof daemon>;

/** A step on that daemon; `said` has the lines of its log. */
function contextOn({ docker }: Daemon, slots: number, onLine = () => {}) {
  const said: string[] = [];
  const leaving = new AbortController();
  const context = {
    docker,
    run: "run",
    settings: testSettings({ slots }),
    signal: leaving.signal,
    log: {
      line: (text: string) => {
        said.push(text);
        onLine();
        return Promise.resolve();
      },
    },
    cleanup: (work: (signal: AbortSignal) => Promise<unknown>) => work(new AbortController().signal),
  } as unknown as BuildContext;
  return { context, said, leaving };
}

/** What a container does in a host with these: `true` when it starts at once, else what its log says. */
async function turnOf(own: string, containers: Container[]) {
  const host = daemon(containers);
  const { context, said, leaving } = contextOn(host, 1, () => leaving.abort(new Error("left")));
  let isStarted = false;
  const start = () => Promise.resolve(void (isStarted = true));
  const done = startInTurn(context, { id: own, memory: 100, start }, SHARE);
  await done.catch((error) => assert.equal(error, leaving.signal.reason));
  assert.equal(host.volumes.size, 0);
  return { turn: isStarted || said.join(), inspected: host.inspected };
}

const WAITS = "Waiting for a slot (1 of 1 in use)";

test("startInTurn starts first what was created first, also within one second", async () => {
  const containers: Container[] = [
    { id: "b", state: "created", createdAt: 10_200 },
    { id: "a", state: "created", createdAt: 10_201 },
  ];
  assert.deepEqual((await turnOf("b", containers)).turn, true);
  assert.deepEqual((await turnOf("a", containers)).turn, WAITS);
});

test("startInTurn asks about no container that was created in another second, or alone in its own", async () => {
  const containers: Container[] = [
    { id: "a", state: "created", createdAt: 9_999 },
    { id: "b", state: "created", createdAt: 10_000 },
    { id: "c", state: "exited", createdAt: 11_000 },
  ];
  assert.deepEqual(await turnOf("a", containers), { turn: true, inspected: [] });
  assert.deepEqual(await turnOf("b", containers), { turn: WAITS, inspected: [] });
});

test("startInTurn waits for what runs already, even where that was created later", async () => {
  const containers: Container[] = [
    { id: "a", state: "created", createdAt: 10_000 },
    { id: "b", state: "running", createdAt: 10_001 },
  ];
  assert.deepEqual(await turnOf("a", containers), { turn: WAITS, inspected: [] });
});

test("startInTurn does not fail a container that has started, though its announcement cannot be removed", async () => {
  const host = daemon([{ id: "a", state: "created", createdAt: 10_000 }]);
  const refuse = () => Promise.reject(new DockerError("volume is in use", { status: 409 }));
  Object.assign(host.docker, { removeVolume: refuse });
  const { context } = contextOn(host, 1);
  let starts = 0;
  const start = () => Promise.resolve(void starts++);
  await startInTurn(context, { id: "a", memory: 100, start }, SHARE);
  assert.equal(starts, 1);
  const why = new Error("it cannot start");
  const failing = startInTurn(context, { id: "a", memory: 100, start: () => Promise.reject(why) }, SHARE);
  await assert.rejects(failing, why);
});

/** Numbers below `most`, the same ones for the same seed. */
function numbers(seed: number) {
  let state = seed;
  return (most: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor(state / 65536) % most;
  };
}

test("startInTurn keeps to slots and memory whatever the order in which a daemon creates, lists and starts", async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const below = numbers(seed);
    const host = daemon([], () => below(6));
    const [slots, share] = [1 + below(2), { all: 300, each: 100 }];
    let most = 0;
    let mostMemory = 0;
    const build = async (i: number) => {
      const { context } = contextOn(host, slots);
      const own: Container = {
        id: `c${i}`.padEnd(16, "0"),
        state: "created",
        createdAt: 10_000 + i,
        memory: 100 * (1 + below(3)),
      };
      // A daemon notes the time first; the container can be seen later, perhaps after ones that are younger.
      for (let n = below(12); n > 0; n--) await host.answer(() => {});
      host.containers.push(own);
      await startInTurn(context, {
        id: own.id,
        memory: own.memory ?? 0,
        start: () =>
          host.answer(() =>
            host.change(() => {
              own.state = "running";
              const running = host.containers.filter(({ state }) => state === "running");
              most = Math.max(most, running.length);
              mostMemory = Math.max(mostMemory, running.reduce((sum, { memory = 0 }) => sum + memory, 0));
            })
          ),
      }, share);
      await host.answer(() => {});
      host.change(() => host.containers.splice(host.containers.indexOf(own), 1));
    };
    await Promise.all(Array.from({ length: 5 }, (_, i) => build(i)));
    assert.ok(most <= slots, `seed ${seed}: ${most} on ${slots} slots`);
    assert.ok(mostMemory <= share.all, `seed ${seed}: ${mostMemory} of ${share.all} memory`);
    assert.deepEqual([host.containers, host.volumes.size], [[], 0]);
  }
});

test("startInTurn refuses what can never fit, with what of it is for services, and starts what just fits", async () => {
  const { context } = contextOn(daemon(), 1);
  let started = 0;
  const start = () => Promise.resolve(void started++);
  const begin = (memory: number, services?: number) =>
    startInTurn(context, { id: "a", memory, start, ...services !== undefined && { services } }, SHARE)
      .then(() => "started", (error) => `${error.reason}: ${error.message}`);
  assert.equal(await begin(1000), "started");
  const more = "is more than the 1000 B that builds may have on this host";
  assert.equal(await begin(1001), `invalid-spec: spec.limits.memory: 1001 B ${more}`);
  assert.equal(
    await begin(1001, 1),
    `invalid-spec: spec.limits.memory: 1001 B, with 1 B for its services, ${more}`,
  );
  assert.equal(started, 1);
  const unlimited = { ...context, settings: testSettings({ slots: undefined }) };
  await startInTurn(unlimited, { id: "a", memory: 9999, start }, SHARE);
  assert.equal(started, 2);
});

test("startInTurn says what it waits for: memory that others were promised", async () => {
  const containers: Container[] = [
    { id: "a", state: "created", createdAt: 2000 },
    { id: "b", state: "running", createdAt: 1000, memory: 901 },
  ];
  const host = daemon(containers);
  const { context, said, leaving } = contextOn(host, 9, () => leaving.abort(new Error("left")));
  const start = () => Promise.resolve();
  await assert.rejects(startInTurn(context, { id: "a", memory: 100, start }, SHARE), /left/);
  assert.deepEqual(said, ["Waiting for memory (901 B of 1000 B in use)"]);
  containers[1] = { id: "b", state: "running", createdAt: 1000, memory: 900 };
  await startInTurn(contextOn(host, 9).context, { id: "a", memory: 100, start }, SHARE);
});
