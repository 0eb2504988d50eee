/**
 * Runs the suite on both runtimes and adds up: `bun scripts/run-tests.ts [unit | FILE…]`. What a file's name ends in says
 * what it needs: `_docker_test.ts` a daemon, `_alone_test.ts` one that nobody else works with, since it compares the lists
 * of all containers, volumes and networks; `_nats_test.ts` makes brokers of its own, `_slow_test.ts` processes, or takes its
 * time. All the rest is `unit`. The last line is `N passed, N failed, N skipped`.
 *
 * `NATS_SERVERS` names the brokers, with colons between them: Bun's tests run on the first, Deno's on the last, so that
 * each test meets both; what checks the transport's contract also runs the other way round.
 */
import { Glob } from "bun";
import { join } from "node:path";

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const root = join(import.meta.dir, "..");
const args = process.argv.slice(2);
const NEEDS_DOCKER = /_docker_test\.ts$/;
const NEEDS_DOCKER_ALONE = /_alone_test\.ts$/;
const HAS_OWN_PARTS = /_(slow|nats)_test\.ts$/;
const all = args.length > 0 && args[0] !== "unit"
  ? args
  : [...new Glob("tests/**/*_test.ts").scanSync(root)].sort();
const only = args[0] === "unit";
const unit = all.filter((file) => !/_(alone|docker|nats|slow)_test\.ts$/.test(file));
const own = only ? [] : all.filter((file) => HAS_OWN_PARTS.test(file));
const docker = only ? [] : all.filter((file) => NEEDS_DOCKER.test(file));
const alone = only ? [] : all.filter((file) => NEEDS_DOCKER_ALONE.test(file));

const brokers = (process.env.NATS_SERVERS ?? "nats-server").split(":");
const NATS = { bun: brokers.at(0) ?? "", deno: brokers.at(-1) ?? "" };
const isOneOnly = NATS.bun === NATS.deno;
const CONTRACT = "tests/backend/nats_transport_nats_test.ts";
if (!only) {
  console.log(
    isOneOnly
      ? `warning: All tests are on ${versionOf(NATS.bun)}; no other version of the broker is tested`
      : `Bun's tests are on ${versionOf(NATS.bun)}, Deno's on ${versionOf(NATS.deno)}`,
  );
}

const total: Tally = { passed: 0, failed: 0, skipped: 0 };
const began = performance.now();
await onBothAtOnce("unit", unit);
await Promise.all([onBothAtOnce("brokers and processes", own), otherWayRound()]);
await onBothAtOnce("Docker", docker);
await phase("Docker alone on Bun", bun(alone), alone);
await phase("Docker alone on Deno", deno(alone), alone);
console.log(`took ${seconds(began)} s`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
const forbidden = process.env.CI === "true" && (total.skipped > 0 || (isOneOnly && !only));
if (forbidden) console.log("error: nothing may be skipped where CI=true, no version of the broker either");
process.exit(total.failed > 0 || total.passed === 0 || forbidden ? 1 : 0);

/** On both runtimes, each in two halves: such tests wait more than they work. */
async function onBothAtOnce(title: string, files: string[]): Promise<void> {
  const halves = [0, 1].map((half) => files.filter((_, i) => i % 2 === half));
  await Promise.all(halves.flatMap((half, i) => [
    phase(`${title} on Bun, ${i + 1} of 2`, bun(half), half),
    phase(`${title} on Deno, ${i + 1} of 2`, deno(half), half),
  ]));
}

/** The transport's contract, on the broker that the other runtime's tests are on. */
async function otherWayRound(): Promise<void> {
  const files = own.filter((file) => file.endsWith(CONTRACT));
  if (isOneOnly || files.length === 0) return;
  await phase(`transport on Bun and ${versionOf(NATS.deno)}`, bun(files), files, NATS.deno);
  await phase(`transport on Deno and ${versionOf(NATS.bun)}`, deno(files), files, NATS.bun);
}

function bun(files: string[]): string[] {
  return [
    "bun",
    "--no-env-file",
    "test",
    "--isolate",
    "--timeout",
    "120000",
    ...files.map((file) => `./${file}`),
  ];
}

function deno(files: string[]): string[] {
  return ["deno", "test", "-A", "--no-check", "--cached-only", ...files];
}

/** Runs one command, shows its output when it is through, and adds its counts. A crash without counts is a failure. */
async function phase(
  title: string,
  command: string[],
  files: string[],
  broker = command[0] === "bun" ? NATS.bun : NATS.deno,
): Promise<void> {
  if (files.length === 0) return;
  const start = performance.now();
  const child = Bun.spawn(command, {
    cwd: root,
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, NO_COLOR: "1", NATS_SERVER: broker },
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const output = out + err;
  const tally = command[0] === "bun" ? countBun(output) : countDeno(output);
  if (code !== 0 && tally.failed === 0) tally.failed = 1;
  if (tally.failed > 0) console.log(output);
  else for (const slow of slowest(output)) console.log(`  ${slow}`);
  console.log(
    `${title}: ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped in ${
      seconds(start)
    } s`,
  );
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped += tally.skipped;
}

function countBun(output: string): Tally {
  const number = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  return {
    passed: number("pass"),
    failed: number("fail") + number("errors?"),
    skipped: number("skip") + number("todo"),
  };
}

function countDeno(output: string): Tally {
  const last = [
    ...output.matchAll(
      /(\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?(?: \| (\d+) ignored)?/g,
    ),
  ].at(-1);
  return { passed: Number(last?.[1] ?? 0), failed: Number(last?.[2] ?? 0), skipped: Number(last?.[3] ?? 0) };
}

/** The five tests that took longest, of those over two seconds: where the time goes. */
function slowest(output: string): string[] {
  const timed = [
    ...output.matchAll(/^(?:\(pass\) )?(.+?)(?: \.\.\. .*ok)? [[(](?:(\d+)m)?([\d.]+)(ms|s)[\])]$/gm),
  ];
  return timed
    .map(([, title = "", minutes = "0", value = "0", unit]) => ({
      title,
      s: Number(minutes) * 60 + Number(value) / (unit === "ms" ? 1000 : 1),
    }))
    .filter(({ title, s }) => s >= 2 && !/^(Ran \d+ tests|ok \|)/.test(title))
    .sort((a, b) => b.s - a.s)
    .slice(0, 5)
    .map(({ title, s }) => `${s.toFixed(1)} s  ${title}`);
}

/** What a broker's program calls itself: `nats-server v2.10.25`. */
function versionOf(broker: string): string {
  return Bun.spawnSync([broker, "--version"]).stdout.toString().trim().replace(":", "");
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
