import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Pipeline } from "../../lib/wire/resource.ts";
import { openFleet } from "../support/fleet.ts";
import { startHook } from "../support/hook.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const file = (name: string) => fileURLToPath(new URL(`author-drivers/${name}.ts`, import.meta.url));
/** Such drivers ask nobody for Docker. */
const NO_DOCKER = { DOCKER_HOST: "unix:///nonexistent/docker.sock" };
const pipeline = (...drivers: string[]): Pipeline => ({
  name: "things",
  resource: "thing",
  steps: drivers.map((driver) => ({ id: driver, name: driver, driver, anywhere: driver === "notify" })),
});

test("a driver of the README's 20 lines, and one ported from Go, work when their files are started", async () => {
  await using fleet = await openFleet();
  await using hook = await startHook(1);
  const [ported, notify] = await Promise.all(
    [file("ported"), file("notify")].map((path) => fleet.driver(path, [], NO_DOCKER)),
  );
  assert.ok(ported && notify);
  const secrets = { CHAT_TOKEN: "a-token" };
  const run = await fleet.submit({ hook: hook.url }, pipeline("ported", "notify"), { secrets });
  const end = await run.ended;
  assert.equal(end.outcome, "succeeded", end.message);
  assert.deepEqual(hook.calls, [{
    authorization: "Bearer a-token",
    body: { name: "app", from: notify.pid, after: ["ported"] },
  }]);
  const lines = run.events.flatMap((event) => event.type === "log" ? [[event.step, event.message]] : []);
  assert.deepEqual(lines, [
    ["ported", `create of app in ${run.id}`],
    ["notify", "Telling the team that app is built"],
  ]);
  for (const process of [ported, notify]) process.kill("SIGINT");
  assert.deepEqual((await Promise.all([ported.ended, notify.ended])).map(({ code }) => code), [0, 0]);
});

test("instances of a driver share its events: what one has no hand for goes to the other", async () => {
  await using fleet = await openFleet();
  await using hook = await startHook(2);
  const processes = await Promise.all([
    fleet.driver(file("notify"), [], NO_DOCKER),
    fleet.driver(file("notify"), [], NO_DOCKER),
  ]);
  // Neither call is answered before the other is there too.
  const runs = await Promise.all([1, 2].map(() => fleet.submit({ hook: hook.url }, pipeline("notify"))));
  const ends = await Promise.all(runs.map(({ ended }) => ended));
  assert.deepEqual(ends.map(({ outcome }) => outcome), ["succeeded", "succeeded"]);
  assert.deepEqual(
    hook.calls.map(({ body }) => Number(body.from)).sort((a, b) => a - b),
    processes.map(({ pid }) => pid).sort((a, b) => a - b),
  );
});

test("what a driver passes to again is there for the instance that takes over when it is killed", async () => {
  await using fleet = await openFleet();
  const first = await fleet.driver(file("poll"), [], NO_DOCKER);
  const run = await fleet.submit({}, pipeline("poll"));
  await run.line("call 3; trying again in 1h");
  first.kill("SIGKILL");
  await fleet.driver(file("poll"), [], NO_DOCKER);
  await run.ended;
  const results = run.events.flatMap((event) =>
    event.type === "step" && event.status === "succeeded" ? [event.result.message] : []
  );
  assert.deepEqual(results, ["call 4 of attempt 2"]);
  // The record of a run that has ended holds no progress.
  const stored = await fleet.store.runs.get(run.id);
  assert.equal(stored?.value.steps[0]?.progress, undefined);
});

test("instances with other --resource lists share a broker: an event waits for one that handles its type, however long that is away", async () => {
  await using fleet = await openFleet();
  await using hook = await startHook(1);
  const of = (resource: string) => ({ ...pipeline("notify"), resource });
  const wrong = await fleet.driver(file("notify"), ["--resource", "other"], NO_DOCKER);
  const run = await fleet.submit({ hook: hook.url }, of("thing"));
  // It was put off more often than an event may be that nobody claims.
  await wrong.said('This instance does not handle the type "thing" (--resource): another one has to');
  const right = await fleet.driver(file("notify"), ["--resource", "thing"], NO_DOCKER);
  assert.equal((await run.ended).outcome, "succeeded");
  const more = await Promise.all(
    ["thing", "other", "thing", "other"].map((type) => fleet.submit({ hook: hook.url }, of(type))),
  );
  const ends = await Promise.all(more.map(({ ended }) => ended));
  assert.deepEqual(ends.map(({ outcome }) => outcome), Array(4).fill("succeeded"));
  assert.deepEqual(
    hook.calls.map(({ body }) => Number(body.from)).sort((a, b) => a - b),
    [wrong.pid, wrong.pid, right.pid, right.pid, right.pid].sort((a = 0, b = 0) => a - b),
  );
});
