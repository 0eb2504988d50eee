import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { LABELS } from "../../lib/build/labels.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import { StopError } from "../../lib/driver/driver.ts";
import { testSettings } from "../support/settings.ts";
import { stepContext, TEST_IMAGE, testDocker } from "../support/step-context.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

/**
 * A daemon that is slow to make containers and networks: `onMake` is called at the beginning, and what was
 * asked for by somebody who does not wait for it is made later, when `catchUp` is called.
 */
function slowToMake(docker: Docker, onMake: () => void): { docker: Docker; catchUp(): Promise<void> } {
  const late: (() => Promise<unknown>)[] = [];
  const make =
    <Args extends unknown[]>(call: (...args: Args) => Promise<string>, signal: (args: Args) => unknown) =>
    (...args: Args): Promise<string> => {
      onMake();
      const stopped = signal(args) as AbortSignal | undefined;
      if (!stopped?.aborted) return call(...args);
      late.push(() => call(...args.slice(0, 1) as Args));
      return Promise.reject(stopped.reason);
    };
  return {
    docker: {
      ...docker,
      create: make(docker.create, ([, options]) => options?.signal),
      createNetwork: make(docker.createNetwork, ([, options]) => options?.signal),
    },
    async catchUp() {
      for (const call of late) await call();
    },
  };
}

for (const filtersBridges of [true, false]) {
  const what = filtersBridges ? "container" : "network";
  test(`container-start leaves no ${what} that Docker was still making when it was told to stop`, async () => {
    await using real = testDocker();
    const run = randomUUID();
    const settings = testSettings();
    const stopping = new AbortController();
    const slow = slowToMake(real, () => stopping.abort(new StopError("cancelled")));
    const info = async () => ({ ...await real.info(), filtersBridges });
    const given = { run, settings, signal: stopping.signal };
    const spec = { image: TEST_IMAGE, repository: "." };

    const starting = stepContext({ ...slow.docker, info }, spec, given);
    await assert.rejects(containerStart.reconcile(starting), StopError);
    await containerStop.reconcile(stepContext(real, spec, { run, settings }));
    await slow.catchUp();

    const ours = { [LABELS.owner]: settings.owner };
    try {
      assert.deepEqual(await real.list(ours), []);
      assert.deepEqual(await real.networks(ours), []);
    } finally {
      await containerStop.reconcile(stepContext(real, spec, { run, settings }));
    }
  });
}
