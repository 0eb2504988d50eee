import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import { diagnose } from "../../lib/build/diagnose.ts";
import { type CallOptions, type ContainerInfo, type Docker, DockerError } from "../../lib/docker/docker.ts";
import type { Context } from "../../lib/driver/driver.ts";

/** A daemon that knows of no kill and whose container runs, unless told otherwise. */
function diagnosed(docker: Partial<Docker>, line: string, limitMs?: number) {
  const daemon = {
    now: () => Promise.resolve(0),
    oomEvents: () => Promise.resolve(0),
    inspect: () => Promise.resolve({ state: "running" }),
    ...docker,
  };
  const { signal } = new AbortController();
  const context = { docker: daemon, log: { recent: () => [line] }, signal } as unknown as Context;
  const facts = { exitCode: 2, tookMs: 10, ...(limitMs !== undefined && { limitMs }) };
  return diagnose(context, { id: "c" } as ContainerInfo, facts);
}

test("diagnose says command-failed where the daemon does not tell more in time", async () => {
  const silent = ({ signal }: CallOptions = {}) =>
    new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  assert.deepEqual(await diagnosed({ now: silent }, "", 20), { reason: "command-failed" });
});

test("diagnose takes a daemon that cannot be reached for no answer, and one that refuses an exec for one", async () => {
  const away = new Retryable("Cannot reach Docker", { reason: "docker-unreachable" });
  const line = "make: fork: Resource temporarily unavailable";
  await assert.rejects(diagnosed({ exec: () => Promise.reject(away) }, line), (error) => error === away);
  const refusal = new DockerError("cannot fork", { status: 500 });
  const { reason } = await diagnosed({ exec: () => Promise.reject(refusal) }, line);
  assert.equal(reason, "pids-exhausted");
});

test("diagnose asks again for a kill that a busy daemon hears of late, where a process was killed", async () => {
  const late = () => {
    const state = { asked: 0 };
    return { state, oomEvents: () => Promise.resolve(++state.asked > 1 ? 1 : 0) };
  };
  const killed = late();
  const { reason } = await diagnosed({ oomEvents: killed.oomEvents }, "cc1: fatal error: Killed signal");
  assert.deepEqual([reason, killed.state.asked], ["out-of-memory", 2]);
  const failed = late();
  const other = await diagnosed({ oomEvents: failed.oomEvents }, "error: expected ';'");
  assert.deepEqual([other.reason, failed.state.asked], ["command-failed", 1]);
});
