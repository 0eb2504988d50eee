import assert from "node:assert/strict";
import { runtime } from "../cli/start-program.ts";
import { controlPlane } from "../support/control-plane.ts";
import { FAULTS as ALL_FAULTS, halvesOf } from "../support/fault-points.ts";
import { openFleet } from "../support/fleet.ts";
import { needing } from "../support/needs.ts";
import { paced } from "../support/pace.ts";
import { remoteRepository } from "../support/remote-repository.ts";
import { objectsOf } from "../support/step-context.ts";

const { after, before, test } = needing("Docker", "broker");

/** container-start dies before its container is there, with it, and with its result on the way. */
const HALVES = halvesOf(ALL_FAULTS["container-start"]);

/** Soon over, since each that dies is waited for. */
const ACK_WAIT_MS = paced(1000);
/** A single slot and several. Deno has the single one beside a Conveyor server. */
const SLOTS = runtime === "bun" ? ["1", "2"] : ["2"];

const remote: { current?: ReturnType<typeof remoteRepository> } = {};
before(() => void (remote.current = remoteRepository()));
after(() => remote.current?.[Symbol.dispose]());

/** As many builds as there are points, and a container-start that is killed at each and started again. */
async function killedAtEach(points: readonly string[], slots: string): Promise<void> {
  await using fleet = await openFleet({ ackWaitMs: ACK_WAIT_MS });
  const { url: repository, image } = remote.current ?? {};
  await Promise.all(
    ["git-cloner", "builder", "container-stop"].map((name) => fleet.driver(name, ["--slots", slots])),
  );
  const runs = await Promise.all(
    points.map(() => fleet.submit({ repository, image, commands: ["echo once"] })),
  );
  for (const fault of points) {
    const doomed = fleet.doomed("container-start", ["--slots", slots], { CONVEYOR_FAULT: fault });
    assert.equal((await doomed.ended).code, 137, fault);
  }
  await fleet.driver("container-start", ["--slots", slots]);
  const ends = await Promise.all(runs.map(({ ended }) => ended));
  assert.deepEqual(ends.map(({ outcome, reason }) => reason ?? outcome), points.map(() => "succeeded"));
  assert.deepEqual(await objectsOf(fleet.owner), []);
}

for (const slots of SLOTS) {
  for (const [i, points] of HALVES.entries()) {
    test(`a container-start that is killed at any point keeps no build waiting for what it left, in a fleet with --slots ${slots} (${i + 1})`, () =>
      killedAtEach(points, slots));
  }
}

test("a container-start that is killed at any point keeps no build waiting for what it left, in one process with the control plane", async () => {
  const { url = "", image = "" } = remote.current ?? {};
  await using plane = await controlPlane("--ack-wait", `${ACK_WAIT_MS}ms`, "--slots", "1", "--grace", "1s");
  const points = ["container-created", "container-started", "reconciled", "logged", "result-published"];
  const first = await plane.start({ flags: ["--drivers", "none"] });
  const submitted = points.map(() => plane.submit("--image", image, "--pull", "never", url));
  await Promise.all(submitted.map((one) => one.said('"type":"run"')));
  first.kill("SIGKILL");
  await first.ended;
  for (const point of points) {
    const doomed = plane.doomed({ CONVEYOR_FAULT: `${point}@container-start` });
    assert.equal((await doomed.ended).code, 137, doomed.output());
  }
  const up = await plane.start();
  for (const { ended } of submitted) assert.equal((await ended).code, 0, up.output());
  up.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
});
