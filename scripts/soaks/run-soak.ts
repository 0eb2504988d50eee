/**
 * Runs the soaks and prints what came of them: `bun scripts/soaks/run-soak.ts [--minutes N] [NAME…]`. Exits
 * with 1 if a run went wrong.
 */
import { execFileSync } from "node:child_process";
import { brokerEnds, brokerIsSilent, driversAreCutOff } from "./broker-soaks.ts";
import { buildsOverKills } from "./build-soak.ts";
import { nodesAreKilled } from "./cluster-soak.ts";
import { fuzz } from "./fuzz/fuzz.ts";
import { longStepsOverFaults, longStepsUndisturbed } from "./long-soaks.ts";
import { driversAreKilled } from "./process-soak.ts";
import { flagsOf, refuse } from "../usage.ts";
import { type Soak, soak } from "./soak.ts";

const SOAKS: Readonly<Record<string, Soak>> = {
  stop: brokerEnds("stop"),
  kill: brokerEnds("kill"),
  silence: brokerIsSilent,
  cut: driversAreCutOff,
  drivers: driversAreKilled,
  cluster: nodesAreKilled,
  long: longStepsUndisturbed,
  "long-kill": longStepsOverFaults,
  builds: buildsOverKills,
};

const FUZZ = "fuzz";

const { values, positionals } = flagsOf({
  options: { minutes: { type: "string", default: "1" } },
  allowPositionals: true,
});
const minutes = Number(values.minutes);
const all = [...Object.keys(SOAKS), FUZZ];
const names = positionals.length > 0 ? positionals : all;
const unknown = names.find((name) => !all.includes(name));
if (!(minutes > 0)) refuse(`Invalid --minutes "${values.minutes}": expected a number above 0`);
if (unknown) refuse(`Unknown scenario "${unknown}": expected some of ${all.join(", ")}`);

if (names.includes(FUZZ)) {
  const isRight = await fuzz(minutes * 60_000);
  if (!isRight) process.exit(1);
  if (names.length === 1) process.exit(0);
}

const broker = execFileSync(process.env.NATS_SERVER ?? "nats-server", ["--version"], { encoding: "utf8" });
console.log(`On ${broker.trim().replace(":", "")}, ${minutes} min each\n`);
console.log("| scenario | faults | runs | wrong | slowest recovery |");
console.log("| --- | --- | --- | --- | --- |");
let isWrong = false;
for (const one of names.flatMap((name) => SOAKS[name] ?? [])) {
  const { name, faults, runs, slowest, wrong } = await soak(one, minutes * 60_000);
  console.log(`| ${name} | ${faults} | ${runs} | ${wrong.length} | ${slowest.toFixed(1)} s |`);
  for (const what of wrong) console.error(`error: ${name}: ${what}`);
  isWrong ||= wrong.length > 0;
}
process.exit(isWrong ? 1 : 0);
