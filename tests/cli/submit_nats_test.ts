import assert from "node:assert/strict";
import { readFile, readlink, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { jetstreamManager } from "@nats-io/jetstream";
import type { Context } from "../../lib/driver/driver.ts";
import type { RunEvent } from "../../lib/engine/core/events.ts";
import { bytes, within } from "../backend/transport-conformance/opened.ts";
import { brief } from "../engine/support/world.ts";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import {
  type ControlPlane,
  controlPlane,
  scriptedDrivers,
  type Submitted,
  type Work,
} from "../support/control-plane.ts";
import { type NatsServer, startNats } from "../support/nats-server.ts";
import { flutterCi } from "./start-program.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("broker");

let broker: NatsServer;
before(async () => void (broker = await startNats()));
after(() => broker[Symbol.asyncDispose]());

/** A control plane over the emptied broker, and scripted drivers on it. */
async function stage(work: Work, options: Parameters<ControlPlane["start"]>[0] = {}) {
  await using opening = new AsyncDisposableStack();
  const connection = opening.adopt(await connectNats({ servers: [broker.url] }), (it) => it.close());
  const manager = await jetstreamManager(connection);
  for await (const name of manager.streams.names()) await manager.streams.delete(name);
  const parts = new AsyncDisposableStack();
  const plane = parts.use(await controlPlane("--nats", broker.url, "--drivers", "none"));
  const up = await plane.start(options);
  parts.use(await scriptedDrivers(broker.url, work));
  return { plane, up, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}
type Stage = Awaited<ReturnType<typeof stage>>;

const DONE = [
  "container-start started",
  "container-start succeeded",
  "git-cloner started",
  "git-cloner succeeded",
  "builder started",
  "builder succeeded",
  "container-stop started",
  "container-stop succeeded",
];
/** What submit has said of its run, which has succeeded. */
async function succeeded(submitted: Submitted): Promise<RunEvent[]> {
  const events = await within(submitted.events(), "the end of the run");
  assert.equal((await submitted.ended).code, 0, submitted.output());
  assert.deepEqual(stepsOf(events), DONE);
  return events;
}

/** Starts a control plane again that a fault point kills, once submit has noticed. */
async function startAgain({ plane, up }: Stage, submitted: Submitted): Promise<void> {
  assert.equal((await within(up.ended, "the end of the control plane")).code, 137);
  await submitted.said("trying again");
  await plane.start();
}

/** The log's lines, with their places in it. */
const numbered = (events: RunEvent[]) => linesOf(events).map(({ seq, message }) => `${seq} ${message}`);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1} line ${i + 1}`);

const stepsOf = (events: RunEvent[]) => events.filter(({ type }) => type === "step").map(brief);
const linesOf = (events: RunEvent[]) => events.flatMap((event) => event.type === "log" ? [event] : []);

test("submit follows its run, saves its artifacts, and ends as it does; two at once do not mix", async () => {
  await using staged = await stage({
    builder: async ({ log, resource, putArtifact }) => {
      const { image } = resource.spec as { image: string };
      for (let i = 1; i <= 2000; i++) await log.line(`${image} ${i}`);
      if (image === "two") return { success: false, message: "no", data: { reason: "command-failed" } };
      const stored = await putArtifact("out/app.txt", bytes("the artifact"), {
        mode: 0o755,
        mtime: 1e9,
      });
      return {
        success: true,
        message: "",
        data: {
          artifacts: [
            { name: "out/app.txt", path: "out/app.txt", ...stored },
            { name: "latest", path: "out/app.txt", ...await putArtifact("latest", bytes("the artifact")) },
          ],
        },
      };
    },
  });
  const { plane } = staged;
  const output = join(plane.data, "one");
  const [one, two] = [
    plane.submit("--image", "one", "-o", output, "--pipeline", "flutter-builder"),
    plane.submit("--image", "two"),
  ];
  const [first, second] = await Promise.all([one.events(), two.events()]);
  assert.deepEqual([(await one.ended).code, (await two.ended).code], [0, 1], one.output() + two.output());
  assert.deepEqual(stepsOf(first), DONE);
  for (const [name, events] of [["one", first], ["two", second]] as const) {
    const lines = linesOf(events);
    assert.deepEqual(lines.map(({ seq }) => seq), lines.map((_, i) => i + 1));
    assert.deepEqual(lines.map(({ message }) => message), lines.map((_, i) => `${name} ${i + 1}`));
    assert.equal(lines.length, 2000);
    assert.equal(new Set(events.map(({ run }) => run)).size, 1);
  }
  const [end, failed] = [first.at(-1), second.at(-1)];
  assert.deepEqual(end?.type === "end" && [end.outcome, end.lines, end.artifacts[0]?.name], [
    "succeeded",
    2000,
    "latest",
  ]);
  assert.equal(await readlink(join(output, "latest")), "out/app.txt");
  assert.deepEqual(failed?.type === "end" && [failed.outcome, failed.reason], ["failed", "command-failed"]);
  assert.equal(await readFile(join(output, "out/app.txt"), "utf8"), "the artifact");
  const saved = await stat(join(output, "out/app.txt"));
  assert.deepEqual([saved.mode & 0o100, saved.mtimeMs], [0o100, 1e12]);
});

test("submit sends what a build asks of its drivers, and of the git tokens only the one for its host, to git-cloner only", async () => {
  const seen: Record<string, { secrets: unknown; spec: unknown }> = {};
  const note = async ({ step, secrets, resource, log }: Context) => {
    seen[step] = { secrets, spec: resource.spec };
    await log.line(`the token: ${secrets["git-cloner:repository.invalid"]}`);
  };
  await using staged = await stage({
    "container-start": note,
    "git-cloner": note,
    builder: note,
    "container-stop": note,
  });
  const { plane } = staged;
  const [own, other] = [join(plane.data, "own"), join(plane.data, "other")];
  await writeFile(own, "token-of-the-repository\n");
  await writeFile(other, "token-of-another-host\n");
  const [ca, signers] = [join(plane.data, "ca.pem"), join(plane.data, "signers")];
  const signer = `me@example.org ssh-ed25519 AAAA${"B".repeat(64)}\n`;
  await writeFile(signers, signer);
  await writeFile(ca, `of our own\n${TEST_CERTIFICATE.cert}`);
  const words = [
    ...["--git-token", `repository.invalid=${own}`, "--git-token", `other.invalid=${other}`],
    ...["--grace", "3s", "--max-log", "5m", "--max-artifacts", "0", "--keep", "failure", "--ca", ca],
    ...["--verify-signatures", signers, "--lfs"],
  ];
  const submitted = plane.submit(...words);
  const { code, stdout, stderr } = await submitted.ended;
  assert.equal(code, 0, stdout + stderr);
  const token = { "git-cloner:repository.invalid": "token-of-the-repository" };
  assert.deepEqual(Object.fromEntries(Object.entries(seen).map(([step, { secrets }]) => [step, secrets])), {
    "container-start": {},
    "git-cloner": token,
    builder: {},
    "container-stop": {},
  });
  assert.deepEqual(seen.builder?.spec, {
    repository: "https://repository.invalid/app.git",
    ca: TEST_CERTIFICATE.cert,
    verifySignatures: signer,
    lfs: true,
    commands: ["make"],
    grace: "3s",
    keep: "failure",
    limits: { log: "5m", artifacts: "0" },
  });
  assert.ok(linesOf(await submitted.events()).some(({ message }) => message === "the token: ***"));
  assert.equal(/token-of-/.test(stdout), false);
});

test("submit cancels its run when it is told to stop, and ends as run does", async () => {
  const stopped = Promise.withResolvers<unknown>();
  await using staged = await stage({
    builder: async ({ log, signal }) => {
      await log.line("at work");
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      stopped.resolve(signal.reason.reason);
      throw signal.reason;
    },
  });
  const submitted = staged.plane.submit();
  await submitted.said("at work");
  submitted.kill("SIGINT");
  assert.equal(await within(stopped.promise, "the step to be stopped"), "cancelled");
  assert.equal((await submitted.ended).code, 130);
  const events = await submitted.events();
  assert.deepEqual(stepsOf(events).slice(-2), ["container-stop started", "container-stop succeeded"]);
  const end = events.at(-1);
  assert.deepEqual(end?.type === "end" && [end.outcome, end.message], ["cancelled", "Cancelled by SIGINT"]);
});

test("submit whose control plane is killed before it answers follows the run that was taken all the same", async () => {
  const handled: string[] = [];
  await using staged = await stage({ builder: ({ run }) => Promise.resolve(void handled.push(run)) }, {
    env: { CONVEYOR_FAULT: "run-stored@container-start" },
  });
  const submitted = staged.plane.submit();
  await startAgain(staged, submitted);
  const events = await succeeded(submitted);
  assert.deepEqual(handled, [events[0]?.run]);
});

for (const point of ["run-stored@git-cloner", "outbox-published@builder", "result-handled@git-cloner"]) {
  test(`a run goes on when its control plane is killed at ${point} and started again, and submit misses nothing`, async () => {
    const handled: string[] = [];
    await using staged = await stage({
      "container-start": async ({ log }) => void await log.line("first"),
      "git-cloner": async ({ log }) => void await log.line("second"),
      builder: async ({ log, attempt }) => {
        handled.push(`builder ${attempt}`);
        await log.line("third");
      },
    }, { env: { CONVEYOR_FAULT: point } });
    const submitted = staged.plane.submit();
    await startAgain(staged, submitted);
    assert.deepEqual(numbered(await succeeded(submitted)), ["1 first", "2 second", "3 third"]);
    assert.deepEqual(handled, ["builder 1"]);
  });
}

test("submit goes on where it was when its control plane is killed in the middle of the log", async () => {
  const goOn = Promise.withResolvers<void>();
  await using staged = await stage({
    builder: async ({ log }) => {
      for (let i = 1; i <= 500; i++) await log.line(`line ${i}`);
      await goOn.promise;
      for (let i = 501; i <= 1000; i++) await log.line(`line ${i}`);
    },
  });
  const submitted = staged.plane.submit();
  await submitted.said("line 500");
  staged.up.kill("SIGKILL");
  await staged.up.ended;
  // Written while nobody is there to tell of it.
  goOn.resolve();
  await startAgain(staged, submitted);
  assert.deepEqual(numbered(await succeeded(submitted)), upTo(1000));
});

test("submit misses nothing of a build while the broker is restarted", async () => {
  const goOn = Promise.withResolvers<void>();
  await using staged = await stage({
    builder: async ({ log }) => {
      for (let i = 1; i <= 100; i++) await log.line(`line ${i}`);
      await goOn.promise;
      for (let i = 101; i <= 200; i++) await log.line(`line ${i}`);
    },
  });
  const submitted = staged.plane.submit();
  await submitted.said("line 100");
  await broker.kill();
  goOn.resolve();
  await staged.up.said("Lost NATS");
  await broker.start();
  assert.deepEqual(numbered(await succeeded(submitted)), upTo(200));
});

test("submit that is told to stop while its control plane is away cancels the run when that is back", async () => {
  const begun = Promise.withResolvers<void>();
  await using staged = await stage({
    builder: async ({ signal }) => {
      begun.resolve();
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      throw signal.reason;
    },
  });
  const { plane, up } = staged;
  const submitted = plane.submit();
  await begun.promise;
  up.kill("SIGKILL");
  await up.ended;
  await submitted.said("trying again");
  submitted.kill("SIGTERM");
  await submitted.said("Stopping the build");
  await plane.start();
  assert.equal((await within(submitted.ended, "the end of the run")).code, 143);
  const end = (await submitted.events()).at(-1);
  assert.deepEqual(end?.type === "end" && [end.outcome, end.message], ["cancelled", "Cancelled by SIGTERM"]);
});

test("up finishes what was submitted before its orderly end, once it is started again", async () => {
  const goOn = Promise.withResolvers<void>();
  await using staged = await stage({ builder: () => goOn.promise });
  const { plane, up } = staged;
  const detached = await plane.submit("--detach").ended;
  const { run } = JSON.parse(detached.stdout);
  assert.equal(detached.code, 0);
  up.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
  goOn.resolve();
  await plane.start();
  const authorization = `Bearer ${await plane.token()}`;
  const response = await fetch(`${plane.url}/runs/${run}/events`, { headers: { authorization } });
  const events: RunEvent[] = (await within(response.text(), "the events")).split("\n")
    .filter((line) => line !== "").map((line) => JSON.parse(line));
  assert.deepEqual(stepsOf(events), DONE);
});

test("submit refuses a folder, and says what it cannot reach or may not enter", async () => {
  await using staged = await stage({});
  const { plane } = staged;
  const wrong = join(plane.data, "wrong-token");
  await writeFile(wrong, "wrong\n");
  const base = ["submit", "--api", plane.url, "--data", plane.data];
  const url = "https://repository.invalid/app.git";
  const cases = [
    [[...base, "."], 2, /^error: Cannot submit the folder "\.": expected an https or ssh URL/],
    [base, 2, /^error: Cannot submit the folder "/],
    [[...base, "--cpus", "0", url], 2, /--cpus/],
    [
      [...base, "--docker", "unix:///run/docker.sock", url],
      2,
      /^error: --docker: Which Docker builds run on .*operator/,
    ],
    [[...base, "--git-image", "x", url], 2, /^error: --git-image: Which image clones .*operator/],
    [[...base, "--git-token", "repository.invalid=/nonexistent", url], 2, /^error: --git-token: Cannot read/],
    [[...base, "--token-file", wrong, url], 3, /does not accept the token/],
    [
      ["submit", "--api", "http://127.0.0.1:1", "--data", plane.data, url],
      3,
      /^error: Cannot reach the control plane at "http:\/\/127\.0\.0\.1:1": /,
    ],
    [
      ["submit", "--api", "http://127.0.0.1:1", "--data", "/nonexistent", url],
      3,
      /^error: No token for the control plane/,
    ],
    [
      ["submit", "--api", "http://ci.invalid", "--data", plane.data, url],
      3,
      /^error: No token for the control plane at "http:\/\/ci\.invalid" was given$/m,
    ],
  ] as const;
  for (const [words, expected, message] of cases) {
    const { code, stdout, stderr } = await flutterCi(words);
    assert.deepEqual({ code, stdout }, { code: expected, stdout: "" }, `${words}\n${stderr}`);
    assert.match(stderr, message);
  }
});
