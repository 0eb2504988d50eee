import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { openHistory } from "../../lib/backend/embedded/embedded.ts";
import { imageWithScript } from "../support/derived-image.ts";
import { leftAsItWas } from "../support/left-as-it-was.ts";
import { noPrivateDocker, startPrivateDocker } from "../support/private-docker.ts";
import { startRegistry } from "../support/registry.ts";
import { makePlace, startRun } from "../support/start-run.ts";
import { stepOutcomes } from "../support/step-outcomes.ts";
import { NEVER_ENDS, startStuckRuns } from "../support/stuck-runs.ts";
import { tinyImage } from "../support/tiny-image.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker", noPrivateDocker);

test("run says where it has looked for Docker, and what to do, where there is none", async () => {
  await using place = await makePlace();
  const missing = `unix://${join(place.folder, "docker.sock")}`;
  const left = `unix://${await leftSocket(place.folder)}`;
  const hint = "Start Docker, or say where it is with --docker or DOCKER_HOST";
  const cases: { flags: string[]; env: Record<string, string>; said: string }[] = [
    { flags: ["--docker", missing], env: {}, said: `error: Cannot reach Docker at ${missing}: ` },
    { flags: ["--docker", left], env: {}, said: `error: Cannot reach Docker at ${left}: ` },
    { flags: [], env: { DOCKER_HOST: missing }, said: `error: Cannot reach Docker at ${missing}: ` },
  ];
  for (const { flags, env, said } of cases) {
    const { exit, stdout, stderr } = await startRun(place, [...flags, "-c", "make"], { env }).ended;
    assert.equal(exit, 3);
    assert.equal(stdout, "");
    const [error = "", advice, ...more] = stderr.split("\n");
    assert.ok(error.startsWith(said), error);
    assert.deepEqual([advice, more], [hint, []]);
  }
  await using store = await openHistory(place.data("data"));
  assert.deepEqual(await store.runs.list(), []);
});

/** A socket of a daemon that is gone: it is still there, and nobody listens. */
async function leftSocket(folder: string): Promise<string> {
  const path = join(folder, "left.sock");
  const server = createServer().listen(`${path}.alive`);
  await once(server, "listening");
  await rename(`${path}.alive`, path);
  server.close();
  await once(server, "close");
  assert.ok(existsSync(path));
  return path;
}

test(
  "run survives that Docker dies in the middle of any step and comes back, and leaves nothing",
  async () => {
    await using docker = await startPrivateDocker();
    await using place = await makePlace();
    const { socketPath } = docker;
    const files = tinyImage();
    const whole = docker.import(files);
    await using registry = await startRegistry(files);
    using stubbornGit = imageWithScript("/usr/bin/git", NEVER_ENDS, { image: whole, socketPath });
    const images = {
      whole,
      stubbornGit: stubbornGit.name,
      missing: registry.image,
      stalled: registry.stalled,
    };
    const flags = ["--docker", `unix://${socketPath}`, "--network", "none", "--grace", "3s"];
    const outcomes: Record<string, [number, Record<string, string>]> = {
      // Pulled once more.
      "container-start": [0, {}],
      // A clone can be done again, but the daemon that came back has stopped the container.
      "git-cloner": [1, { "git-cloner": "failed: container-lost", builder: "skipped" }],
      // Nobody knows what the command has done: it is not run twice.
      "builder": [3, { builder: "failed: docker-unreachable" }],
      "container-stop": [0, {}],
    };
    const succeeded = Object.fromEntries(Object.keys(outcomes).map((step) => [step, "succeeded"]));

    await leftAsItWas(socketPath, async () => {
      const runs = await startStuckRuns(place, images, () => flags);
      await Promise.all(runs.map(({ stuck }) => stuck));
      registry.resume();
      await docker.kill();
      await Promise.all(
        runs.map(({ step, run }) =>
          step === "builder"
            ? run.event((event) => event.type === "step" && event.step === step && event.status === "failed")
            : run.line("the step will be tried again")
        ),
      );
      await docker.start();
      for (const { step, run } of runs) {
        const [exit, differing] = outcomes[step] ?? [];
        const ended = await run.ended;
        assert.deepEqual(stepOutcomes(ended), { ...succeeded, ...differing }, step);
        assert.equal(ended.exit, exit, step);
      }
    });
  },
);
