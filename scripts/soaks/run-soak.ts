/** Soaks and prints: `bun scripts/soaks/run-soak.ts [--minutes N]`. Exits with 1 where a run went wrong. */
import { parseArgs } from "node:util";
import { openFleet } from "../../tests/support/fleet.ts";
import { type Outcome, soak } from "./soak.ts";
import { SOAKS } from "./soaks.ts";

const { values } = parseArgs({ options: { minutes: { type: "string", default: `${SOAKS.length}` } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  console.error(`error: Invalid --minutes "${values.minutes}": expected a number above 0`);
  process.exit(2);
}

const outcomes: Outcome[] = [];
for (const one of SOAKS) {
  await using fleet = await openFleet();
  outcomes.push(await soak(fleet, one, (minutes / SOAKS.length) * 60_000));
}
console.log("| fault | times | runs | slowest | wrong |");
console.log("| --- | --- | --- | --- | --- |");
for (const { name, runs, strikes, slowest, wrong } of outcomes) {
  console.log(`| ${name} | ${strikes} | ${runs} | ${slowest.toFixed(1)} s | ${wrong.length} |`);
}
for (const { name, wrong } of outcomes) for (const what of wrong) console.error(`${name}: ${what}`);
process.exit(outcomes.some(({ wrong }) => wrong.length > 0) ? 1 : 0);
