import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { controlPlane } from "../support/control-plane.ts";
import { openFleet } from "../support/fleet.ts";
import { remoteRepository } from "../support/remote-repository.ts";
import { objectsOf } from "../support/step-context.ts";

/** Where container-start dies: before its container is there, with it, and with its result on the way. */
const FAULTS = [
  "pulled",
  "decoded",
  "claimed",
  "container-created",
  "container-started",
  "reconciled",
  "logged",
  "result-published",
  "acked",
];

const remote: { current?: ReturnType<typeof remoteRepository> } = {};
before(() => void (remote.current = remoteRepository()));
after(() => remote.current?.[Symbol.dispose]());

/** As many builds as there are points, and a container-start that is killed at each and started again. */
async function killedAtEachPoint(slots: string): Promise<void> {
  await using fleet = await openFleet({ ackWaitMs: 1000 });
  const { url: repository, image } = remote.current ?? {};
  await Promise.all(
    ["git-cloner", "builder", "container-stop"].map((name) => fleet.driver(name, ["--slots", slots])),
  );
  const runs = await Promise.all(
    FAULTS.map(() => fleet.submit({ repository, image, commands: ["echo once"] })),
  );
  for (const fault of FAULTS) {
    const doomed = await fleet.driver("container-start", ["--slots", slots], { CONVEYOR_FAULT: fault });
    assert.equal((await doomed.ended).code, 137, fault);
  }
  await fleet.driver("container-start", ["--slots", slots]);
  const ends = await Promise.all(runs.map(({ ended }) => ended));
  assert.deepEqual(ends.map(({ outcome, reason }) => reason ?? outcome), FAULTS.map(() => "succeeded"));
  assert.deepEqual(await objectsOf(fleet.owner), []);
}

test("a container-start that is killed at any point keeps no build of a fleet waiting for what it left, with one slot and with two", async () => {
  await Promise.all([killedAtEachPoint("1"), killedAtEachPoint("2")]);
});

test("a container-start that is killed in one process with its control plane keeps no build waiting for what it left", async () => {
  const { url = "", image = "" } = remote.current ?? {};
  await using plane = await controlPlane("--ack-wait", "1s", "--slots", "1", "--grace", "1s");
  const points = ["container-created", "container-started", "reconciled", "logged", "result-published"];
  const first = await plane.start({ flags: ["--drivers", "none"] });
  const submitted = points.map(() => plane.submit("--image", image, "--pull", "never", url));
  await Promise.all(submitted.map((one) => one.said('"type":"run"')));
  first.kill("SIGKILL");
  await first.ended;
  for (const point of points) {
    const doomed = await plane.start({ env: { CONVEYOR_FAULT: `${point}@container-start` } });
    assert.equal((await doomed.ended).code, 137, doomed.output());
  }
  const up = await plane.start();
  for (const { ended } of submitted) assert.equal((await ended).code, 0, up.output());
  up.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
});
