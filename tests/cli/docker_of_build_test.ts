import assert from "node:assert/strict";
import { test } from "node:test";
import { buildDocker } from "../../lib/cli/run/build-docker.ts";
import type { DaemonInfo, Docker } from "../../lib/docker/docker.ts";
import { planStep } from "../../lib/build/plan.ts";
import { answer } from "../docker/fake-daemon.ts";
import { docked, silent } from "../docker/stage.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { turns } from "../support/until.ts";

const SPEC = { repository: "https://example.org/a.git", image: "i", commands: ["x"] };

/** Docker for a build, and a promise of its call of `onIdle`. */
function building(docker: Docker) {
  const idle = Promise.withResolvers<void>();
  let isIdle = false;
  const onIdle = () => {
    isIdle = true;
    idle.resolve();
  };
  const plan = planStep(SPEC, { ...testSettings(), ...testPolicy() });
  return {
    docker: buildDocker(docker, { info: {} as DaemonInfo, plan, onIdle }),
    idle: idle.promise,
    isIdle: () => isIdle,
  };
}

test("a build's process is idle once the start of its container has been sent, not before", () =>
  docked(silent, async (docker, daemon) => {
    const held = Promise.withResolvers<void>();
    const start: Docker["start"] = async (...given) => {
      await held.promise;
      await docker.start(...given);
    };
    const build = building({ ...docker, start });
    const stop = new AbortController();
    const starting = build.docker.start("abc", { signal: stop.signal });
    await turns(10);
    assert.equal(build.isIdle(), false);
    held.resolve();
    await build.idle;
    const reason = new Error("enough");
    while (daemon.requests.length === 0) await turns(1);
    stop.abort(reason);
    await assert.rejects(starting, reason);
    assert.equal(daemon.requests[0]?.line, "POST /containers/abc/start");
  }));

test("a build's process is idle also if the start of its container fails", async () => {
  await docked(({ socket }) => socket.write(answer(500, { message: "said" })), async (docker) => {
    const error = new Error("ours");
    const build = building({ ...docker, start: () => Promise.reject(error) });
    await assert.rejects(build.docker.start("abc"), error);
    await build.idle;
  });
});
