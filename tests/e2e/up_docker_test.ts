import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { metricValues } from "../support/metric-values.ts";
import { containerName } from "../../lib/build/labels.ts";
import { flutterCi } from "../cli/start-program.ts";
import { brief } from "../engine/support/world.ts";
import { type ControlPlane, controlPlane } from "../support/control-plane.ts";
import { httpsRepository } from "../support/https-repository.ts";
import { startNats } from "../support/nats-server.ts";
import { makePlace } from "../support/start-run.ts";
import { TEST_IMAGE } from "../support/step-context.ts";
import { ACK_WAIT_MS } from "../support/fleet.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker", "broker");

const FILES = { "Makefile": "all:\n\t@echo built with $$KIND\n\t@echo content > out.txt\n" };
/** Builds until it is let go on. */
const WAITING = "all:\n\t@echo begun; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo done\n";
const HOST = ["--allow-network", "host", "--grace", "1s"];

test("up builds what is submitted with the real drivers, in one process and over a broker, and leaves nothing behind", async () => {
  await using repository = await httpsRepository(FILES);
  await using broker = await startNats();
  for (const flags of [[], ["--nats", broker.url]]) {
    await using plane = await controlPlane(...HOST, ...flags);
    const up = await plane.start();
    const output = join(plane.data, "output");
    const submitted = plane.submit(
      ...["--image", repository.image, "--pull", "never", "--network", "host", "--depth", "0"],
      ...["-e", "KIND=love", "-a", "*.txt", "-o", output],
      repository.url,
    );
    const { code, stderr } = await submitted.ended;
    const events = await submitted.events();
    assert.equal(code, 0, `${submitted.output()}\n${up.output()}`);
    assert.equal(stderr, "");
    assert.ok(events.map(brief).some((text) => /^builder \d+ built with love$/.test(text)));
    const end = events.at(-1);
    assert.deepEqual(end?.type === "end" && end.artifacts.map(({ name }) => name), ["out.txt"]);
    assert.equal(await readFile(join(output, "out.txt"), "utf8"), "content\n");
    nothingLeft(submitted.output());
    await checkMetrics(plane, { isOverBroker: flags.length > 0 });
    up.kill("SIGTERM");
    assert.equal((await up.ended).code, 0);
    // By the engine, and not once more by the driver in the same process.
    assert.equal(
      up.output().match(/Step builder of run \S+ (?!started)|Step builder of run \S+: /g)?.length,
      1,
    );
  }
});

test("what is submitted may ask for its own git token, a short log and a look at its container, as far as up allows it", async () => {
  const token = "a-token-of-this-run-only";
  // The text that is looked for must not stand in the file that looks for it.
  const words = '"a-token-of-this""-run-only"';
  const leaks =
    `if env | grep -q ${words} || grep -rq ${words} . /.conveyor /tmp /root; then echo leaked; fi`;
  await using repository = await httpsRepository({
    "Makefile": `all:\n\t@${leaks}\n\t@seq 100; false\n`,
  }, { token });
  await using plane = await controlPlane(...HOST, "--allow-keep", "--max-log", "1m");
  const up = await plane.start();
  const file = join(plane.data, "git-token");
  await writeFile(file, `${token}\n`);
  const base = ["--image", repository.image, "--pull", "never", "--network", "host", "--depth", "0"];
  const withToken = ["--git-token", `127.0.0.1=${file}`, ...base];

  const without = plane.submit(...base, "--git-token", `git.example.com=${file}`, repository.url);
  assert.equal((await without.ended).code, 1, without.output());
  assert.match(without.output(), /"reason":"repository-not-found"/);
  nothingLeft(without.output());

  const greedy = plane.submit(...withToken, "--max-log", "2m", repository.url);
  assert.equal((await greedy.ended).code, 2, greedy.output());
  assert.match(
    greedy.output(),
    /spec\.limits\.log: 2\.0 MiB is more than the 1\.0 MiB that are allowed here/,
  );

  const submitted = plane.submit(...withToken, "--keep", "failure", "--max-log", "100", repository.url);
  assert.equal((await submitted.ended).code, 1, submitted.output());
  const told = (await submitted.events()).map(brief);
  const name = containerName(runIn(submitted.output()));
  try {
    assert.ok(told.includes("builder failed") && told.some((text) => /^builder \d+ 1$/.test(text)));
    assert.equal(told.some((text) => text.includes("leaked")), false, told.join("\n"));
    assert.ok(told.some((text) => text.includes("The log has reached its limit of 100 B")), told.join("\n"));
    assert.ok(told.some((text) => /^container-stop \d+ The container is kept, on host /.test(text)));
    assert.equal(docker("exec", name, "cat", "/workspace/Makefile").split("\n")[0], "all:");
    assert.equal(submitted.output().includes(token) || up.output().includes(token), false);
  } finally {
    docker("rm", "-fv", name);
  }
  nothingLeft(submitted.output());
  // The layer of the git mirror goes with the container, as soon as somebody sweeps.
  assert.equal((await flutterCi(["gc", "--data", plane.data])).code, 0);
  assert.equal(
    docker("volume", "ls", "-q", "--filter", `label=conveyor.cache-run=${runIn(submitted.output())}`),
    "",
  );
  up.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
});

test("a build whose up was killed with its drivers is there when it is started again: it can be cancelled, and leaves nothing", async () => {
  await using repository = await httpsRepository({ "Makefile": "all:\n\t@echo begun; sleep 600\n" });
  await using broker = await startNats();
  await using plane = await controlPlane(...HOST, "--ack-wait", `${ACK_WAIT_MS}ms`, "--nats", broker.url);
  const up = await plane.start();
  const submitted = plane.submit(
    ...["--image", repository.image, "--pull", "never", "--network", "host", "--depth", "0"],
    repository.url,
  );
  await submitted.said('"message":"begun"');
  up.kill("SIGKILL");
  await up.ended;
  await submitted.said("trying again");
  const again = await plane.start();
  submitted.kill("SIGINT");
  const { code } = await submitted.ended;
  assert.equal(code, 130, `${submitted.output()}\n${again.output()}`);
  const end = (await submitted.events()).at(-1);
  assert.equal(end?.type === "end" && end.outcome, "cancelled");
  nothingLeft(submitted.output());
  again.kill("SIGTERM");
  assert.equal((await again.ended).code, 0);
});

test("up that is told to stop takes no more runs, finishes the step in hand, and the rest when it is started again", async () => {
  await using repository = await httpsRepository({ "Makefile": WAITING });
  await using plane = await controlPlane(...HOST);
  const up = await plane.start();
  const words = ["--image", repository.image, "--pull", "never", "--network", "host", "--depth", "0"];
  const submitted = plane.submit(...words, repository.url);
  await submitted.said('"message":"begun"');
  up.kill("SIGTERM");
  await up.said("finishes the 1 steps in hand");
  const refused = await plane.submit(...words, repository.url).ended;
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /takes no more runs/);
  goOn(submitted.output());
  assert.equal((await up.ended).code, 0, up.output());
  const again = await plane.start();
  assert.equal((await submitted.ended).code, 0, `${submitted.output()}\n${again.output()}`);
  nothingLeft(submitted.output());
  const told = (await submitted.events()).map(brief);
  assert.equal(told.filter((text) => text === "builder started").length, 1);
  assert.deepEqual(
    told.filter((text) => /^builder \d+ (begun|done)$/.test(text)).map((text) => text.split(" ")[2]),
    ["begun", "done"],
  );
  again.kill("SIGTERM");
  assert.equal((await again.ended).code, 0);
});

test("a run on this machine leaves the containers of a control plane with the same data folder alone", async () => {
  await using repository = await httpsRepository({ "Makefile": WAITING });
  await using place = await makePlace();
  await using plane = await controlPlane(...HOST);
  const up = await plane.start();
  const submitted = plane.submit(
    ...["--image", repository.image, "--pull", "never", "--network", "host", "--depth", "0"],
    repository.url,
  );
  await submitted.said('"message":"begun"');
  const words = ["run", place.repository, "--data", plane.data, "--image", TEST_IMAGE, "-c", "make"];
  const beside = await flutterCi([...words, "--json"]);
  assert.equal(beside.code, 0, beside.stdout + beside.stderr);
  goOn(submitted.output());
  assert.equal((await submitted.ended).code, 0, submitted.output());
  nothingLeft(submitted.output());
  up.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
});

const docker = (...words: string[]): string => execFileSync("docker", words, { encoding: "utf8" });
const runIn = (events: string): string => /"run":"([^"]+)"/.exec(events)?.[1] ?? "";

/** Lets the build of the run whose events these are go on. */
function goOn(events: string): void {
  docker("exec", containerName(runIn(events)), "touch", "/tmp/go");
}

/** Fails where Docker still has anything of the run whose events these are. */
function nothingLeft(events: string): void {
  const filter = ["--filter", `label=conveyor.run=${runIn(events)}`];
  const left = [["ps", "--all"], ["volume", "ls"], ["network", "ls"]].map((words) =>
    docker(...words, "--quiet", ...filter)
  );
  assert.deepEqual(left, ["", "", ""]);
}

/** What an operator sees after one build that succeeded. */
async function checkMetrics(plane: ControlPlane, { isOverBroker }: { isOverBroker: boolean }): Promise<void> {
  const headers = { authorization: `Bearer ${await plane.token()}` };
  const values = metricValues(await (await fetch(`${plane.url}/metrics`, { headers })).text());
  const exactly: Record<string, number> = {
    'conveyor_runs_ended_total{outcome="succeeded",reason=""}': 1,
    'conveyor_step_duration_seconds_count{driver="builder",outcome="succeeded",reason=""}': 1,
    'conveyor_runs_open{status="running"}': 0,
    conveyor_slots_used: 0,
    conveyor_dead_letters: 0,
    'conveyor_containers{state="running"}': 0,
  };
  for (const [name, value] of Object.entries(exactly)) assert.equal(values.get(name), value, name);
  const positive = ["conveyor_slots", "conveyor_log_bytes", "conveyor_docker_free_bytes"];
  positive.push("conveyor_data_free_bytes", "process_resident_memory_bytes");
  if (isOverBroker) positive.push("conveyor_log_limit_bytes");
  for (const name of positive) assert.ok((values.get(name) ?? 0) > 0, `${name} is ${values.get(name)}`);
}
