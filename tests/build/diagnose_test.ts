import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import { diagnose } from "../../lib/build/diagnose.ts";
import { idleScript } from "../../lib/build/keep-running.ts";
import {
  type CallOptions,
  type ContainerInfo,
  type Docker,
  DockerError,
  type Exec,
} from "../../lib/docker/docker.ts";
import type { BuildContext } from "../../lib/build/policy.ts";

const IDLE = { pid: 1, command: "sleep 2147483647", seconds: 9, isKilled: false };
const CONTAINER = { id: "c", env: {} } as ContainerInfo;

/** A process that says this and ends. */
const saying = (text: string): Exec => ({
  id: "e",
  output: (async function* () {
    yield { stream: "stdout" as const, data: Buffer.from(text) };
  })(),
  exitCode: () => Promise.resolve(0),
  detach: () => {},
});

const COUNTED = "conveyor: counted\n";

/** A daemon that knows of no kill and whose container runs and lacks nothing, unless told otherwise. */
function diagnosed(
  docker: Partial<Docker>,
  { exitCode = 2, limitMs }: { exitCode?: number; limitMs?: number } = {},
) {
  const daemon = {
    now: () => Promise.resolve(0),
    events: () => Promise.resolve([]),
    processes: () => Promise.resolve([IDLE]),
    inspect: () => Promise.resolve({ state: "running" }),
    exec: () => Promise.resolve(saying(COUNTED)),
    isAtProcessLimit: () => Promise.resolve(false),
    ...docker,
  };
  const { signal } = new AbortController();
  const context = { docker: daemon, signal } as unknown as BuildContext;
  return diagnose(context, CONTAINER, { exitCode, tookMs: 10, ...(limitMs !== undefined && { limitMs }) });
}

test("diagnose says command-failed where the daemon does not tell more in time", async () => {
  const silent = ({ signal }: CallOptions = {}) =>
    new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  assert.deepEqual(await diagnosed({ now: silent }, { limitMs: 20 }), { reason: "command-failed" });
});

test("diagnose says command-failed where a shell that the build has replaced comes to no end", async () => {
  let isLetGo = false;
  const endless = (): Exec => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const output = (async function* () {
      yield { stream: "stdout" as const, data: Buffer.from("memory oom_kill 1\n") };
      await promise;
    })();
    const detach = () => {
      isLetGo = true;
      resolve();
    };
    return { ...saying(""), output, detach };
  };
  const { reason } = await diagnosed({ exec: () => Promise.resolve(endless()) }, { limitMs: 20 });
  assert.deepEqual([reason, isLetGo], ["command-failed", true]);
});

test("diagnose asks the daemon for the limit of processes where no process can be started to look", async () => {
  const away = new Retryable("Cannot reach Docker", { reason: "docker-unreachable" });
  await assert.rejects(diagnosed({ exec: () => Promise.reject(away) }), (error) => error === away);
  const refusal = new DockerError("anything at all", { status: 500 });
  for (
    const exec of [() => Promise.reject(refusal), () => Promise.resolve(saying("OCI runtime exec failed"))]
  ) {
    assert.equal((await diagnosed({ exec })).reason, "command-failed");
    const isAtProcessLimit = () => Promise.resolve(true);
    assert.equal((await diagnosed({ exec, isAtProcessLimit })).reason, "pids-exhausted");
  }
});

test("diagnose asks again for a kill that a busy daemon hears of late, where the kernel counts one", async () => {
  const late = () => {
    const state = { asked: 0 };
    return { state, events: () => Promise.resolve(++state.asked > 1 ? ["oom" as const] : []) };
  };
  const killed = late();
  const exec = () => Promise.resolve(saying(`memory oom_kill 1\n${COUNTED}`));
  const { reason } = await diagnosed({ events: killed.events, exec });
  assert.deepEqual([reason, killed.state.asked], ["out-of-memory", 2]);
  const failed = late();
  const other = await diagnosed({ events: failed.events });
  assert.deepEqual([other.reason, failed.state.asked], ["command-failed", 0]);
});

test("diagnose takes no kill of an earlier command for this one's", async () => {
  const exec = () => Promise.resolve(saying(`memory oom_kill 3\n${COUNTED}`));
  assert.equal((await diagnosed({ exec })).reason, "command-failed");
});

test("diagnose tells disks that are full, of bytes or of files, by their folder", async () => {
  const because = async (text: string) =>
    (await diagnosed({ exec: () => Promise.resolve(saying(COUNTED + text)) })).because;
  assert.equal(await because("kib 79469904 /\nfiles 16288389 /\n"), undefined);
  assert.equal(await because("kib 79469904 /\nkib 4 /dev/shm\n"), "no space is left on the disk of /dev/shm");
  assert.equal(await because("kib 79469904 /\nfiles 0 /tmp\n"), "no space is left on the disk of /tmp");
});

test("diagnose tells a container that was stopped from outside from one whose build has killed it", async () => {
  const gone = (events: ("oom" | "kill")[]) =>
    diagnosed({ processes: () => Promise.resolve([]), events: () => Promise.resolve(events) }, {
      exitCode: 137,
    });
  assert.equal((await gone(["kill"])).reason, "container-lost");
  assert.equal((await gone(["oom"])).reason, "out-of-memory");
  assert.equal((await gone([])).reason, "command-failed");
  // On a busy machine init, and the process that was killed, are still there.
  const script = idleScript({ id: "i", user: "", architecture: "amd64", env: {} });
  const init = { ...IDLE, command: `/sbin/docker-init -- /bin/sh -c ${script}` };
  const dying = () => Promise.resolve([init, { ...IDLE, isKilled: true }]);
  assert.match((await diagnosed({ processes: dying })).because ?? "", /killed from inside$/);
  // The daemon has no words for it yet.
  const confused = {
    processes: () => Promise.reject(new DockerError("no running task found", { status: 500 })),
    inspect: () => Promise.resolve({ state: "exited" } as ContainerInfo),
  };
  assert.match((await diagnosed(confused)).because ?? "", /killed from inside$/);
  const removed = { processes: () => Promise.resolve([]), inspect: () => Promise.resolve(undefined) };
  assert.equal((await diagnosed(removed)).reason, "container-lost");
});

test("diagnose looks again where the processes that filled the limit end just as it looks", async () => {
  let looks = 0;
  const exec = () => {
    if (++looks === 1) {
      return Promise.reject(new DockerError("Resource temporarily unavailable", { status: 500 }));
    }
    return Promise.resolve(saying(`pids max 3\n${COUNTED}`));
  };
  assert.equal((await diagnosed({ exec })).reason, "pids-exhausted");
  assert.equal(looks, 2);
});
