/**
 * Runs the suite on both runtimes and adds up: `bun scripts/run-tests.ts [--under-load] [unit | release |
 * FILE…]`. What a file's name ends in says what it needs: `_release_test.ts` a release that it makes, once,
 * on Bun; `_docker_test.ts` a daemon, `_nats_test.ts` brokers of its own, `_slow_test.ts` processes,
 * `_alone_test.ts` something that the machine has once, so that only one of them runs at a time. All the rest
 * is `unit`. The output ends with what failed, where something did, and as its last line `N passed, N failed,
 * N skipped`.
 *
 * Several processes work at once, more than there are cores, since tests wait more than they compute. Each
 * takes the next job of one queue, those first that take longest. Whatever a job leaves behind is named,
 * removed, and fails the run; so is one in which a test does not come to its end.
 *
 * `NATS_SERVERS` names the brokers, with colons between them: Bun's tests run on the first, Deno's on the
 * last, so that each test meets both; what checks the transport's contract also runs the other way round.
 */
import { Glob } from "bun";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { measurePace, PACE_VARIABLE } from "../tests/support/pace.ts";
import { busyLoops } from "./suite/busy-loops.ts";
import { type FailedJob, failureLines, leftText } from "./suite/failures.ts";
import { type Job, jobsFor, kindOf, nameOf } from "./suite/jobs.ts";
import { type Lane, suitePlace } from "./suite/place.ts";
import { timesIn } from "./suite/progress.ts";
import { type JobEnd, type RunningJob, startJob } from "./suite/run-job.ts";
import { add, nothing, type Tally, tallyOf, tallyText } from "./suite/tally.ts";

const root = join(import.meta.dir, "..");
/** How long the files took the last time, in milliseconds. */
const TIMES = join(root, ".tools/test-times.json");
const TEST_LIMIT_MS = 120_000;
/** More than that: what comes before a file's first test and after its last. */
const STUCK_MS = 150_000;
const LOOPS_UNDER_LOAD = 2;
const JOBS_PER_CORE = 3;

const words = process.argv.slice(2);
const isUnderLoad = words.includes("--under-load");
const args = words.filter((word) => word !== "--under-load");
const only = (["unit", "release"] as const).find((kind) => kind === args[0]);
const isUnitOnly = only === "unit";
const files = args.length > 0 && only === undefined
  ? args
  : [...new Glob("tests/**/*_test.ts").scanSync(root)].sort().filter((file) =>
    only === undefined || kindOf(file) === only
  );
const needsBroker = only === undefined;

const programs = (process.env.NATS_SERVERS ?? "nats-server").split(":");
const brokers = { bun: programs.at(0) ?? "", deno: programs.at(-1) ?? "" };
const isOneBroker = brokers.bun === brokers.deno;
if (needsBroker) {
  console.log(
    isOneBroker
      ? `warning: All tests are on ${versionOf(brokers.bun)}; no other version of the broker is tested`
      : `Bun's tests are on ${versionOf(brokers.bun)}, Deno's on ${versionOf(brokers.deno)}`,
  );
}

const began = performance.now();
const underWay = new Map<Job, RunningJob>();
await using parts = new AsyncDisposableStack();
/**
 * The code to exit with once a signal has told us to stop: then no more jobs are taken, and those under way
 * are ended.
 */
const stopped: { code?: number } = {};
for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15], ["SIGHUP", 1]] as const) {
  process.on(signal, () => {
    if (stopped.code !== undefined) process.exit(128 + number);
    stopped.code = 128 + number;
    for (const job of underWay.values()) job.kill();
  });
}
if (isUnderLoad) parts.use(busyLoops(LOOPS_UNDER_LOAD));
const lanes = isUnitOnly ? availableParallelism() : JOBS_PER_CORE * availableParallelism();
const place = parts.use(await suitePlace(lanes, isUnitOnly ? undefined : process.env.CONVEYOR_TEST_IMAGE));
const pace = measurePace(20);
process.env[PACE_VARIABLE] = String(pace);
const limits = { testMs: TEST_LIMIT_MS, stuckMs: STUCK_MS };
console.log(
  `Limits are ${pace} times as long as on a machine of our own${
    isUnderLoad ? ", beside two busy loops" : ""
  }`,
);

const times = timesBefore();
const waiting = jobsFor(files, brokers, times);
const total = nothing();
const kinds = new Map<string, Tally>();
const failed: FailedJob[] = [];
await Promise.all(place.lanes.map(async (lane) => {
  for (let job = next(); job; job = next()) await run(job, lane);
}));

for (const [kind, tally] of [...kinds].sort()) console.log(`${kind}: ${tallyText(tally)}`);
await parts.disposeAsync();
if (stopped.code !== undefined) process.exit(stopped.code);
if (!isUnitOnly) writeFileSync(TIMES, JSON.stringify(times));
for (const line of failureLines(failed)) console.log(line);
const isForbidden = process.env.CI === "true" && (total.skipped > 0 || (isOneBroker && needsBroker));
if (isForbidden) console.log("error: nothing may be skipped where CI=true, no version of the broker either");
console.log(`took ${seconds(performance.now() - began)} s`);
console.log(tallyText(total));
process.exit(total.failed > 0 || total.passed === 0 || isForbidden ? 1 : 0);

/**
 * The next job. Of those that run alone none is taken while one is under way: whoever works at that takes it
 * afterwards.
 */
function next(): Job | undefined {
  if (stopped.code !== undefined) return undefined;
  const isAlone = [...underWay.keys()].some(({ kind }) => kind === "alone");
  const at = waiting.findIndex(({ kind }) => !isAlone || kind !== "alone");
  return at === -1 ? undefined : waiting.splice(at, 1)[0];
}

/** Runs one job, says how it went, and adds its counts. Its output is shown where something failed. */
async function run(job: Job, lane: Lane): Promise<void> {
  const env = {
    ...process.env,
    ...lane.environment,
    NO_COLOR: "1",
    NATS_SERVER: job.broker,
  };
  const running = startJob(job, { cwd: root, env, limits, clear: () => lane.clear() });
  underWay.set(job, running);
  const end = await running.ended;
  // Its lane is cleared with all the others.
  if (stopped.code !== undefined) return;
  const left = await lane.left();
  if (left.length > 0) await lane.clear();
  underWay.delete(job);
  tell(job, end, left);
}

function tell(job: Job, { output, code, ms, cpuMs, stuck }: JobEnd, left: readonly string[]): void {
  const tally = tallyOf(job.runtime, output, code);
  if (tally.failed > 0) console.log(output);
  if (stuck !== undefined) console.log(`error: ${stuck}; it was ended, and the rest of its file was not run`);
  for (const what of left) console.log(`error: ${nameOf(job)}: ${leftText(what)}`);
  // What a failed test leaves is no failure of its own.
  if (left.length > 0 && tally.failed === 0) tally.failed = 1;
  if (tally.failed > 0) failed.push({ job, output, stuck, left });
  const [longest] = timesIn(output).sort((a, b) => b.ms - a.ms);
  const detail = longest && longest.ms >= 2000 ? ` (${seconds(longest.ms)} s: ${longest.title})` : "";
  console.log(`${seconds(ms)} s, ${seconds(cpuMs)} s of CPU  ${nameOf(job)}: ${tallyText(tally)}${detail}`);
  times[nameOf(job)] = Math.round(ms);
  add(total, tally);
  const kind = `${job.kind} on ${job.runtime === "bun" ? "Bun" : "Deno"}`;
  kinds.set(kind, kinds.get(kind) ?? nothing());
  add(kinds.get(kind) ?? total, tally);
}

/** Of the last run on this machine. */
function timesBefore(): Record<string, number> {
  try {
    return JSON.parse(readFileSync(TIMES, "utf8"));
  } catch {
    return {}; // The first time, or written by another release.
  }
}

/** What a broker's program calls itself: `nats-server v2.10.25`. */
function versionOf(broker: string): string {
  return Bun.spawnSync([broker, "--version"]).stdout.toString().trim().replace(":", "");
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}
