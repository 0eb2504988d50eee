import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { builder as builderDriver } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { containerName, idleName } from "../../lib/build/labels.ts";
import type { RunEvent } from "../../lib/engine/core/events.ts";
import { openFleet } from "../support/fleet.ts";
import { remoteRepository } from "../support/remote-repository.ts";
import { testSettings } from "../support/settings.ts";
import { objectsOf, stepContext, testDocker } from "../support/step-context.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("Docker", "broker");

const DRIVERS = ["container-start", "git-cloner", "builder", "container-stop"];

/** A command that says that it has begun, and ends when the test lets it go. */
const WAITING = "echo begun; until [ -e /tmp/go ]; do sleep 0.05; done; echo gone";
const letGo = (run: string) => execFileSync("docker", ["exec", containerName(run), "touch", "/tmp/go"]);

const remote: { current?: ReturnType<typeof remoteRepository> } = {};
before(() => void (remote.current = remoteRepository()));
after(() => remote.current?.[Symbol.dispose]());

const spec = (...commands: string[]) => ({
  repository: remote.current?.url,
  image: remote.current?.image,
  commands,
});

const lines = (events: readonly RunEvent[], step: string) =>
  events.flatMap((event) => event.type === "log" && event.step === step ? [event.message] : []);

/** How each step has ended. */
const outcomes = (events: readonly RunEvent[]) =>
  events.flatMap((event) =>
    event.type === "step" && event.status !== "started" ? [`${event.step} ${event.status}`] : []
  );

test("the four drivers, processes of their own, build a repository over NATS and leave nothing behind", async () => {
  await using fleet = await openFleet();
  const [, ...rest] = DRIVERS;
  const processes = await Promise.all([
    fleet.driver("flutter-ci container-start"),
    ...rest.map((name) => fleet.driver(name)),
  ]);
  const run = await fleet.submit({ ...spec("make", "seq 3 >out.txt"), artifacts: ["*.txt"] });
  const end = await run.ended;
  assert.deepEqual([end.outcome, end.message], ["succeeded", end.message]);
  assert.deepEqual(outcomes(run.events), DRIVERS.map((name) => `${name} succeeded`));
  assert.ok(lines(run.events, "builder").includes("built"));
  const seqs = run.events.flatMap((event) => event.type === "log" ? [event.seq] : []);
  assert.deepEqual(seqs, seqs.map((_, i) => i + 1));
  assert.equal(end.lines, seqs.length);

  assert.deepEqual(end.artifacts.map(({ name, size }) => [name, size]), [["out.txt", 6]]);
  const artifact = await fleet.store.artifacts.open(run.id, "out.txt");
  const bytes: Uint8Array[] = [];
  for await (const chunk of artifact ?? []) bytes.push(chunk);
  assert.equal(Buffer.concat(bytes).toString(), "1\n2\n3\n");

  assert.deepEqual(await objectsOf(fleet.owner), []);
  for (const process of processes) process.kill("SIGTERM");
  const ended = await Promise.all(processes.map(({ ended }) => ended));
  assert.deepEqual(ended.map(({ code, stdout }) => [code, stdout]), DRIVERS.map(() => [0, ""]));
});

test("a driver that is told to stop finishes what it has in hand, and takes nothing more", async () => {
  await using fleet = await openFleet();
  await fleet.local(containerStart, gitCloner, containerStop);
  const builder = await fleet.driver("builder", ["--health", "127.0.0.1:0"]);
  const [url = ""] = /http:\S+/.exec(builder.output()) ?? [];
  const run = await fleet.submit(spec(WAITING));
  await run.line("begun");
  builder.kill("SIGTERM");
  await builder.said("takes no more events and finishes the 1 in hand");
  const readiness = await fetch(`${url}/readyz`);
  assert.deepEqual([readiness.status, await readiness.text()], [503, "No events are taken\n"]);
  assert.match(
    await (await fetch(`${url}/metrics`)).text(),
    /^conveyor_events_in_hand\{driver="builder"\} 1$/m,
  );
  const next = await fleet.submit(spec("true"));
  await next.event((event) =>
    event.type === "step" && event.step === "git-cloner" && event.status === "succeeded"
  );
  letGo(run.id);
  assert.equal((await builder.ended).code, 0);
  assert.equal((await run.ended).outcome, "succeeded");
  assert.deepEqual(outcomes(next.events), ["container-start succeeded", "git-cloner succeeded"]);
  await fleet.driver("builder");
  assert.equal((await next.ended).outcome, "succeeded");
  assert.deepEqual(await objectsOf(fleet.owner), []);
});

test("a driver that is not done within --drain stops its step and leaves it to another instance", async () => {
  await using fleet = await openFleet();
  await fleet.local(containerStart, gitCloner, containerStop);
  const builder = await fleet.driver("builder", ["--drain", "0s", "--grace", "1s"]);
  const run = await fleet.submit(spec(WAITING));
  await run.line("begun");
  builder.kill("SIGTERM");
  assert.equal((await builder.ended).code, 0);
  await fleet.driver("builder");
  const end = await run.ended;
  // What has begun is never begun a second time.
  assert.deepEqual([end.outcome, end.reason], ["failed", "driver-lost"]);
  assert.deepEqual(await objectsOf(fleet.owner), []);
});

test("a second signal ends a driver at once, and another instance finds what it left", async () => {
  await using fleet = await openFleet();
  await fleet.local(containerStart, gitCloner, containerStop);
  const builder = await fleet.driver("builder");
  const run = await fleet.submit(spec(WAITING));
  await run.line("begun");
  builder.kill("SIGINT");
  await builder.said("finishes the 1 in hand");
  builder.kill("SIGTERM");
  const { code, stderr } = await builder.ended;
  assert.equal(code, 143);
  assert.match(stderr, /Left at once; what was in hand goes to another instance after the ack wait\n$/);
  await fleet.driver("builder");
  const end = await run.ended;
  assert.deepEqual([end.outcome, end.reason], ["failed", "driver-lost"]);
  assert.deepEqual(await objectsOf(fleet.owner), []);
});

test("container-start takes a run only while a slot is free, whoever fills them", async () => {
  await using fleet = await openFleet();
  const flags = ["--slots", "1", "--concurrency", "2"];
  const [one, other] = await Promise.all([
    fleet.driver("container-start", flags),
    fleet.driver("container-start", flags),
    fleet.local(gitCloner, builderDriver, containerStop),
  ]);
  const first = await fleet.submit(spec(WAITING));
  await first.line("begun");
  await Promise.all([one, other].map((process) => process?.said("aiting for a slot (1 of 1 in use)")));
  const second = await fleet.submit(spec("true"));
  const names = async () =>
    (await objectsOf(fleet.owner)).filter((name) => /^conveyor-(?!cache-)/.test(name));
  assert.deepEqual(await names(), [containerName(first.id)]);
  assert.deepEqual(outcomes(second.events), []);
  letGo(first.id);
  assert.equal((await first.ended).outcome, "succeeded");
  assert.equal((await second.ended).outcome, "succeeded");
  assert.deepEqual(await objectsOf(fleet.owner), []);
});

test("what a spec asks for is held against the flags of every driver", async () => {
  await using fleet = await openFleet();
  const flags = ["--allow-env", "GREETING", "--max-timeout", "10m"];
  const env = { GREETING: "good morning", OWN_TOKEN: "hands off" };
  await Promise.all(DRIVERS.map((name) => fleet.driver(name, flags, env)));
  const read = (name: string) => [{ name: "TEXT", valueFrom: name }];
  const allowed = await fleet.submit({
    ...spec('echo "it says $TEXT"'),
    env: read("GREETING"),
    timeout: "5m",
  });
  assert.equal((await allowed.ended).outcome, "succeeded");
  assert.ok(lines(allowed.events, "builder").includes("it says good morning"));

  const refused = {
    'The variable "OWN_TOKEN" is not one that a spec may read': { env: read("OWN_TOKEN") },
    "11m 00s is more than the 10m 00s that are allowed here": { timeout: "11m" },
    "A privileged container is not allowed here": { privileged: true },
    'Local repository "/etc" is not allowed here': { repository: "/etc" },
    'The network "host" is not allowed here': { network: "host" },
  };
  for (const [why, asked] of Object.entries(refused)) {
    const end = await (await fleet.submit({ ...spec("true"), ...asked })).ended;
    assert.deepEqual([end.outcome, end.reason], ["failed", "invalid-spec"]);
    assert.ok(end.message.includes(why), end.message);
  }
  assert.deepEqual(await objectsOf(fleet.owner), []);
});

test("container-start removes at its start what no live run owns, and leaves the containers of live ones", async () => {
  await using fleet = await openFleet();
  await using docker = testDocker();
  await fleet.local(gitCloner, builderDriver, containerStop);
  const first = await fleet.driver("container-start");
  const live = await fleet.submit(spec(WAITING));
  await live.line("begun");
  const settings = testSettings({ owner: fleet.owner });
  const lost = stepContext(docker, { repository: ".", image: remote.current?.image }, { settings });
  await containerStart.reconcile(lost);
  first.kill("SIGTERM");
  await first.ended;
  const next = await fleet.driver("container-start");
  await next.said(`Removed ${idleName(lost.run)}: its run is over`);
  assert.equal(await docker.inspect(idleName(lost.run)), undefined);
  assert.equal((await docker.inspect(containerName(live.id)))?.state, "running");
  letGo(live.id);
  assert.equal((await live.ended).outcome, "succeeded");
  assert.deepEqual(await objectsOf(fleet.owner), []);
});
