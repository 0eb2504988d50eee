/**
 * Runs the suite on both runtimes and adds up: `bun scripts/run-tests.ts [--under-load] [unit | FILE…]`. What a file's name
 * ends in says what it needs: `_docker_test.ts` a daemon, `_nats_test.ts` brokers of its own, `_slow_test.ts` processes,
 * `_alone_test.ts` something that the machine has once, so that only one of them runs at a time. All the rest is `unit`. The last line is `N passed, N failed, N skipped`.
 *
 * As many processes work at once as there are cores, and as many again, since tests wait more than they compute. Each takes
 * the next file of one queue, those first that took longest the last time. Whatever a test leaves behind fails the run.
 *
 * `NATS_SERVERS` names the brokers, with colons between them: Bun's tests run on the first, Deno's on the last, so that
 * each test meets both; what checks the transport's contract also runs the other way round.
 */
import { Glob } from "bun";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { measurePace, PACE_VARIABLE } from "../tests/support/pace.ts";
import { busyLoops } from "./suite/busy-loops.ts";
import { commandOf, type Job, jobsFor, kindOf, nameOf } from "./suite/jobs.ts";
import { suitePlace } from "./suite/place.ts";
import { add, nothing, type Tally, tallyOf, tallyText, timesIn } from "./suite/tally.ts";

const root = join(import.meta.dir, "..");
/** How long the files took the last time, in milliseconds. */
const TIMES = join(root, ".tools/test-times.json");
const TEST_LIMIT_MS = 120_000;
const LOOPS_UNDER_LOAD = 2;

const words = process.argv.slice(2);
const isUnderLoad = words.includes("--under-load");
const args = words.filter((word) => word !== "--under-load");
const isUnitOnly = args[0] === "unit";
const files = args.length > 0 && !isUnitOnly
  ? args
  : [...new Glob("tests/**/*_test.ts").scanSync(root)].sort().filter((file) =>
    !isUnitOnly || kindOf(file) === "unit"
  );
const needsBroker = !isUnitOnly;

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

const parts = new DisposableStack();
const cleared: { place?: { clear(): void } } = {};
const underWay = new Map<Job, Bun.Subprocess>();
for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15], ["SIGHUP", 1]] as const) {
  process.on(signal, () => {
    for (const child of underWay.values()) child.kill("SIGKILL");
    cleared.place?.clear();
    parts.dispose();
    process.exit(128 + number);
  });
}
const began = performance.now();
if (isUnderLoad) parts.use(busyLoops(LOOPS_UNDER_LOAD));
const place = parts.use(suitePlace(isUnitOnly ? undefined : process.env.CONVEYOR_TEST_IMAGE));
cleared.place = place;
const pace = measurePace(20);
console.log(
  `Limits are ${pace} times as long as on a machine of our own${
    isUnderLoad ? ", beside two busy loops" : ""
  }`,
);

const times = timesBefore();
const waiting = jobsFor(files, brokers, times);
const total = nothing();
const kinds = new Map<string, Tally>();
await Promise.all(Array.from({ length: 2 * availableParallelism() }, async () => {
  for (let job = next(); job; job = next()) await run(job);
}));

for (const [kind, tally] of [...kinds].sort()) console.log(`${kind}: ${tallyText(tally)}`);
const left = await place.left();
for (const what of left) console.log(`error: The tests have left something behind: ${what}`);
if (left.length > 0) total.failed++;
parts.dispose();
if (!isUnitOnly) writeFileSync(TIMES, JSON.stringify(times));
console.log(`took ${seconds(began)} s`);
console.log(tallyText(total));
const isForbidden = process.env.CI === "true" && (total.skipped > 0 || (isOneBroker && needsBroker));
if (isForbidden) console.log("error: nothing may be skipped where CI=true, no version of the broker either");
process.exit(total.failed > 0 || total.passed === 0 || isForbidden ? 1 : 0);

/** The next job. Of those that run alone none is taken while one is under way: whoever works at that takes it afterwards. */
function next(): Job | undefined {
  const isAlone = [...underWay.keys()].some(({ kind }) => kind === "alone");
  const at = waiting.findIndex(({ kind }) => !isAlone || kind !== "alone");
  return at === -1 ? undefined : waiting.splice(at, 1)[0];
}

/** Runs one job, says how it went, and adds its counts. Its output is shown where something failed. */
async function run(job: Job): Promise<void> {
  const start = performance.now();
  const child = Bun.spawn(commandOf(job, TEST_LIMIT_MS * pace), {
    cwd: root,
    stdout: "pipe",
    stderr: "pipe",
    env: {
      ...process.env,
      ...place.environment,
      NO_COLOR: "1",
      NATS_SERVER: job.broker,
      [PACE_VARIABLE]: String(pace),
    },
  });
  underWay.set(job, child);
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  underWay.delete(job);
  const tally = tallyOf(job.runtime, out + err, code);
  if (tally.failed > 0) console.log(out + err);
  const [longest] = timesIn(out + err).sort((a, b) => b.ms - a.ms);
  const detail = longest && longest.ms >= 2000
    ? ` (${(longest.ms / 1000).toFixed(1)} s: ${longest.title})`
    : "";
  console.log(`${seconds(start)} s  ${nameOf(job)}: ${tallyText(tally)}${detail}`);
  times[nameOf(job)] = Math.round(performance.now() - start);
  add(total, tally);
  const kind = `${job.kind} on ${job.runtime === "bun" ? "Bun" : "Deno"}`;
  kinds.set(kind, kinds.get(kind) ?? nothing());
  add(kinds.get(kind) ?? total, tally);
}

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

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
