/**
 * Runs the benches and prints their figures: `bun scripts/benches/run-benches.ts [GROUP | NAME…] [--json
 * FILE] [--list]`. Exits with 1 if a target is missed or a bench fails; the others still run.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { api } from "./api.ts";
import { artifacts } from "./artifacts.ts";
import type { Bench, Figure, Place } from "./bench.ts";
import { build } from "./build.ts";
import { buildTrace } from "./build-trace.ts";
import { cacheLine } from "./cache-line.ts";
import { cancel } from "./cancel.ts";
import { largeArtifacts } from "./large-artifacts.ts";
import { largeLog } from "./large-log.ts";
import { manyFiles } from "./many-files.ts";
import { secondBuild } from "./second-build.ts";
import { secondClone } from "./second-clone.ts";
import { followers } from "./followers.ts";
import { gitContainer } from "./git-container.ts";
import { help } from "./help.ts";
import { leaveNothing } from "./leave-nothing.ts";
import { localSource } from "./local-source.ts";
import { log } from "./log.ts";
import { mask } from "./mask.ts";
import { natsEvents } from "./nats-events.ts";
import { natsLogs } from "./nats-logs.ts";
import { natsRuns } from "./nats-runs.ts";
import { natsTrace } from "./nats-trace.ts";
import { parallel } from "./parallel.ts";
import { start } from "./start.ts";
import { steps } from "./steps.ts";
import { flagsOf, refuse } from "../usage.ts";
import { tableOf } from "./table.ts";

const BENCHES: readonly Bench[] = [
  build,
  buildTrace,
  cacheLine,
  secondBuild,
  secondClone,
  manyFiles,
  largeArtifacts,
  largeLog,
  cancel,
  localSource,
  steps,
  artifacts,
  log,
  parallel,
  help,
  start,
  natsEvents,
  natsTrace,
  natsLogs,
  natsRuns,
  gitContainer,
  mask,
  api,
  followers,
];

const { values, positionals } = flagsOf({
  options: { json: { type: "string" }, list: { type: "boolean" } },
  allowPositionals: true,
});
const wordsFor = ({ name, group, alsoIn = [] }: Bench) => [name, group, ...alsoIn];
const chosen = BENCHES.filter((bench) =>
  positionals.length === 0 || wordsFor(bench).some((word) => positionals.includes(word))
);
const unknown = positionals.find((word) => !BENCHES.some((bench) => wordsFor(bench).includes(word)));

if (unknown !== undefined) {
  refuse(`Unknown bench "${unknown}": expected ${BENCHES.map(({ name }) => name).join(", ")}`);
}
if (values.list) {
  for (const { group, name, alsoIn = [] } of BENCHES) console.log(`${[group, ...alsoIn]}  ${name}`);
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), "conveyor-bench-"));
leaveNothing(folder);
const figures: (Figure & { bench: string })[] = [];
let failed = false;
try {
  for (const bench of chosen) {
    try {
      for (const figure of await bench.measure(placeOf(bench))) {
        figures.push({ bench: bench.name, ...figure });
      }
    } catch (error) {
      failed = true;
      console.error(`error: ${bench.name}: ${error instanceof Error ? error.message : error}`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(tableOf(figures));
if (values.json !== undefined) {
  const report = { measuredAt: new Date().toISOString(), machine: machine(), figures };
  writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
}
process.exit(failed || figures.some(({ isMet }) => isMet === false) ? 1 : 0);

function placeOf({ name }: Bench): Place {
  const root = join(import.meta.dir, "../..");
  const compiled = join(root, "dist/flutter-ci");
  const own = join(folder, name);
  mkdirSync(own);
  return {
    folder: own,
    root,
    program: join(root, "bin/flutter-ci"),
    compiled: existsSync(compiled) ? compiled : undefined,
    image: process.env.CONVEYOR_BENCH_IMAGE ?? "conveyor-build:bookworm",
    say: (text) => console.error(`· ${name}: ${text}`),
  };
}

function machine(): Record<string, unknown> {
  const all = cpus();
  return { cpus: all.length, model: all[0]?.model ?? "", bun: Bun.version, platform: process.platform };
}
