import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { openHistory } from "../../lib/backend/embedded/embedded.ts";
import { containerName } from "../../lib/build/labels.ts";
import { leavesNothing } from "../support/left-as-it-was.ts";
import { paced, pacedNow } from "../support/pace.ts";
import { makePlace, startRun } from "../support/start-run.ts";
import { stepOutcomes } from "../support/step-outcomes.ts";
import { NEVER_ENDS, NotStuck, stuckInEveryStep } from "../support/stuck-runs.ts";
import { until } from "../support/until.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

const SIGNALS: Record<string, [NodeJS.Signals, number]> = {
  "container-start": ["SIGHUP", 129],
  "git-cloner": ["SIGTERM", 143],
  "builder": ["SIGINT", 130],
  "container-stop": ["SIGINT", 130],
};

/** What becomes of the steps when the run is told to stop, for that reason, in this one. */
function outcomesWhenStopped(step: string, reason: string): Record<string, string> {
  const steps = ["container-start", "git-cloner", "builder"];
  const at = steps.indexOf(step);
  const outcome = (i: number) =>
    at === -1 || i < at ? "succeeded" : i === at ? `failed: ${reason}` : "skipped";
  return { ...Object.fromEntries(steps.map((name, i) => [name, outcome(i)])), "container-stop": "succeeded" };
}

test("run ends in an orderly way when it is told to stop in any of its steps, and leaves nothing", async () => {
  await stuckInEveryStep(() => ["--grace", "1s"], async ({ step, run }) => {
    const [signal = "SIGINT", exit] = SIGNALS[step] ?? [];
    run.kill(signal);
    const ended = await run.ended;
    assert.equal(ended.exit, exit, `${step}: ${ended.stderr}`);
    assert.match(ended.stderr, /^Stopping the build and cleaning up; once more to leave at once$/m);
    const { outcome, reason, message } = ended.end ?? {};
    assert.deepEqual([outcome, reason, message], ["cancelled", "cancelled", `Cancelled by ${signal}`]);
    assert.deepEqual(stepOutcomes(ended), outcomesWhenStopped(step, "cancelled"));
  });
});

test("run ends in an orderly way when its time is over in any of its steps, and leaves nothing", async () => {
  // More of it where the machine takes longer than that to get into each step.
  for (let ms = paced(6000);; ms *= 2) {
    try {
      return await timesOutInEveryStep(ms);
    } catch (error) {
      if (!(error instanceof NotStuck) || ms > paced(60_000)) throw error;
    }
  }
});

async function timesOutInEveryStep(ms: number): Promise<void> {
  // Ending what the command has left behind outlasts the time: that is no more the build's.
  const time = `${ms}ms`;
  const flags = (step: string) => ["--timeout", time, "--grace", step === "container-stop" ? time : "1s"];
  await stuckInEveryStep(flags, async ({ step, run }) => {
    const ended = await run.ended;
    const outcomes = stepOutcomes(ended);
    // container-stop runs after a build that took too long, too.
    if (step === "container-stop" && outcomes["builder"] === "failed: timeout") {
      throw new NotStuck("The time was over before the command had ended");
    }
    assert.deepEqual(outcomes, outcomesWhenStopped(step, "timeout"));
    if (step === "container-stop") return assert.equal(ended.exit, 0);
    assert.equal(ended.exit, 124, `${step}: ${ended.stderr}`);
    const { outcome, reason, message } = ended.end ?? {};
    assert.deepEqual([outcome, reason], ["timed-out", "timeout"]);
    assert.match(message ?? "", /^The run took longer than [\d.]+ ?(s|m \d\ds)$/);
  });
}

test("run ends the whole process tree soon after the grace period, and before it where that can be", async () => {
  await using place = await makePlace();
  await leavesNothing(place, async () => {
    const trees = [
      { command: NEVER_ENDS, graceMs: 1000, mostMs: () => 1000 + pacedNow(5000) },
      // A process that heeds TERM is gone long before the grace period is over.
      { command: "echo stubborn; sleep 600", graceMs: 600_000, mostMs: () => 300_000 },
    ];
    await Promise.all(trees.map(async ({ command, graceMs, mostMs }, i) => {
      const run = startRun(place, ["--grace", `${graceMs}ms`, "-c", command], { data: `data-${i}` });
      const { run: id } = await run.line("stubborn");
      const toldAt = Date.now();
      run.kill("SIGTERM");
      assert.equal((await run.ended).exit, 143);
      const ms = diedAt(id, toldAt) - toldAt;
      assert.ok(ms <= mostMs(), `${command} was there for ${ms} ms more`);
    }));
  });
});

/** When the last process of a run's container was gone, milliseconds since the epoch, as the daemon says. */
function diedAt(run: string, since: number): number {
  const filters = ["--filter", `container=${containerName(run)}`, "--filter", "event=die"];
  const span = ["--since", String(since / 1000 - 1), "--until", String(Date.now() / 1000 + 1)];
  const events = execFileSync("docker", ["events", ...span, ...filters, "--format", "{{.TimeNano}}"], {
    encoding: "utf8",
  });
  return Number(events.trim()) / 1e6;
}

test("run ends in an orderly way when it is told to stop while it keeps a large artifact, and leaves nothing", async () => {
  await using place = await makePlace();
  await leavesNothing(place, async () => {
    const flags = ["--grace", "600s", "--max-artifacts", "8g", "--artifact", "large"];
    const run = startRun(place, [...flags, "-c", "truncate -s 6G large; sleep 600 & echo made"]);
    await run.line("made");
    const files = () =>
      globSync(join(place.data("data"), "partial/**/*")).filter((path) => statSync(path).isFile());
    await run.before(until(() => files().length > 0, "it keeps the artifact"));
    run.kill("SIGINT");
    const ended = await run.ended;
    assert.equal(ended.exit, 130, ended.stderr);
    assert.equal(ended.end?.outcome, "cancelled");
    assert.equal(stepOutcomes(ended)["builder"], "failed: cancelled");
    assert.deepEqual(files(), []);
  });
});

test("run leaves at once at the second signal, says what is left, and the next one removes it", async () => {
  await using place = await makePlace();
  await leavesNothing(place, async (docker) => {
    const run = startRun(place, ["--grace", "60s", "-c", NEVER_ENDS]);
    const { run: id } = await run.line("stubborn");
    run.kill("SIGINT");
    await run.note(/^Stopping the build and cleaning up; once more to leave at once$/);
    // What comes at once counts as the same signal.
    let isOver = false;
    run.ended.then(() => isOver = true, () => isOver = true);
    await until(() => {
      if (!isOver) run.kill("SIGTERM");
      return isOver;
    }, "it ends at a later signal");
    const ended = await run.ended;
    assert.equal(ended.exit, 143);
    assert.match(
      ended.stderr,
      new RegExp(
        `^Left at once\\. .*the run's container, which the next "flutter-ci run" removes, or: docker rm -fv .*=conveyor\\.run=${id}\\)$`,
        "m",
      ),
    );
    assert.equal(ended.end, undefined);
    assert.equal((await docker.inspect(containerName(id)))?.state, "running");

    assert.equal((await startRun(place, ["-c", "make"]).ended).exit, 0);
    await using store = await openHistory(place.data("data"));
    assert.equal((await store.runs.get(id))?.value.outcome, "cancelled");
  });
});

test("run takes it for a hang-up when nobody reads its output any more", async () => {
  await using place = await makePlace();
  await leavesNothing(place, async () => {
    const run = startRun(place, ["--grace", "1s", "-c", "while :; do echo more; sleep 0.1; done"]);
    const { run: id } = await run.line("more");
    run.closeOutput();
    assert.equal((await run.ended).exit, 129);
    await using store = await openHistory(place.data("data"));
    const { outcome, verdict } = (await store.runs.get(id))?.value ?? {};
    assert.deepEqual([outcome, verdict?.message], ["cancelled", "Cancelled by SIGHUP"]);
  });
});

test("run can be stopped while it waits for a Docker that does not answer", async () => {
  await using place = await makePlace();
  const path = join(place.folder, "silent.sock");
  const silent = createServer((socket) => socket.on("error", () => {})).listen(path);
  await once(silent, "listening");
  try {
    const run = startRun(place, ["--docker", `unix://${path}`, "-c", "make"]);
    // Made by who hears signals already, and needs Docker for what comes next.
    await run.before(until(() => existsSync(place.data("data")), "the data folder is there"));
    run.kill("SIGTERM");
    const ended = await run.ended;
    assert.equal(ended.exit, 143);
    assert.equal(ended.stderr, "Cancelled before anything was started");
    assert.equal(ended.stdout, "");
  } finally {
    silent.close();
  }
});
