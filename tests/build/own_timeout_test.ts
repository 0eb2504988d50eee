import assert from "node:assert/strict";
import { test } from "node:test";
import { StepFailure } from "../../lib/base/errors.ts";
import { withinOwnTimeout } from "../../lib/build/own-timeout.ts";
import { idleName, runLabels } from "../../lib/build/labels.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import type { BuildContext } from "../../lib/build/policy.ts";
import { StopError } from "../../lib/driver/driver.ts";
import { testSettings } from "../support/settings.ts";
import { shortTimers } from "../support/until.ts";

/** As much of a context as a run has that has no container yet. */
function contextWith(given: Partial<BuildContext>): BuildContext {
  const docker = { inspect: () => Promise.resolve(undefined) } as unknown as Docker;
  const signal = new AbortController().signal;
  return { docker, run: "r", settings: testSettings(), signal, claimed: false, ...given } as BuildContext;
}

/** Works until it is told to stop, and then throws that. */
const throwing = (thrown: unknown) => ({ signal }: BuildContext) =>
  new Promise<never>((_, reject) => {
    if (signal.aborted) reject(thrown);
    signal.addEventListener("abort", () => reject(thrown), { once: true });
  });

test("withinOwnTimeout says timeout whatever the work throws when the time is up, unless that is a named failure", async () => {
  const context = contextWith({});
  const isTimeout = (error: unknown) => error instanceof StopError && error.reason === "timeout";
  await assert.rejects(withinOwnTimeout(context, 1, throwing(new Error("connection closed"))), isTimeout);
  const named = new StepFailure("no room", { reason: "disk-full" });
  await assert.rejects(withinOwnTimeout(context, 1, throwing(named)), (error) => error === named);
});

test("withinOwnTimeout leaves what comes in time as it is, and a month as a month", async () => {
  const context = contextWith({});
  const month = 31 * 24 * 3_600_000;
  const work = async ({ signal }: BuildContext) => {
    // A timer that cannot wait so long fires at once.
    await shortTimers();
    return signal.aborted;
  };
  assert.equal(await withinOwnTimeout(context, month, work), false);
  const own = new Error("own");
  await assert.rejects(withinOwnTimeout(context, month, () => Promise.reject(own)), (error) => error === own);
});

test("withinOwnTimeout counts from the container's start, though the daemon's clock was set meanwhile", async () => {
  const settings = testSettings();
  const container = {
    id: "c",
    name: idleName("r"),
    labels: runLabels(settings.owner, "r"),
    createdAt: Date.UTC(2026, 0, 1),
  };
  const running = (seconds: number) =>
    contextWith({
      settings,
      docker: {
        inspect: (name: string) => Promise.resolve(name === container.name ? container : undefined),
        now: () => Promise.resolve(Date.UTC(2027, 0, 1)),
        processes: () => Promise.resolve([{ pid: 1, command: "sleep 2147483647", seconds, isKilled: false }]),
      } as unknown as Docker,
    });
  const work = async ({ signal }: BuildContext) => {
    await shortTimers();
    return signal.aborted;
  };
  assert.equal(await withinOwnTimeout(running(5), 3_600_000, work), false);
  await assert.rejects(withinOwnTimeout(running(3600), 3_600_000, throwing(new Error("cut off"))), {
    name: "StopError",
  });
});

test("withinOwnTimeout hands on why the step itself was told to stop", async () => {
  const stopping = new AbortController();
  const working = withinOwnTimeout(
    contextWith({ signal: stopping.signal }),
    3_600_000,
    throwing(new Error("cut off")),
  );
  stopping.abort(new StopError("shutdown"));
  await assert.rejects(working, (error) => error === stopping.signal.reason);
});

test("withinOwnTimeout leaves the time to an engine that watches it", async () => {
  const context = contextWith({ claimed: true });
  const seen = await withinOwnTimeout(context, 0, (same) => Promise.resolve(same));
  assert.equal(seen, context);
});

test("withinOwnTimeout counts from the creation of a container that has not started, by the daemon's clock", async () => {
  const settings = testSettings();
  const now = Date.UTC(2027, 0, 1);
  const created = (agoMs: number) =>
    contextWith({
      settings,
      docker: {
        inspect: (name: string) =>
          Promise.resolve(
            name === idleName("r")
              ? { id: "c", name, labels: runLabels(settings.owner, "r"), createdAt: now - agoMs }
              : undefined,
          ),
        now: () => Promise.resolve(now),
        processes: () => Promise.resolve([]),
      } as unknown as Docker,
    });
  const work = async ({ signal }: BuildContext) => {
    await shortTimers();
    return signal.aborted;
  };
  assert.equal(await withinOwnTimeout(created(1000), 3_600_000, work), false);
  await assert.rejects(withinOwnTimeout(created(3_600_001), 3_600_000, throwing(new Error("cut off"))), {
    name: "StopError",
  });
});
