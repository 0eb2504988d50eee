/**
 * `bun scripts/releases/build.ts FOLDER PROGRAM…`: these programs for this machine, on the Bun that runs
 * this.
 */
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { compile } from "./compile.ts";
import { PROGRAMS } from "./programs.ts";
import { factsOf } from "./facts.ts";
import { hostName } from "./targets.ts";

const root = join(import.meta.dir, "../..");
const [folder = join(root, "dist"), ...named] = process.argv.slice(2);
const unknown = named.find((name) => !(PROGRAMS as readonly string[]).includes(name));
if (unknown !== undefined) {
  console.error(`error: Unknown program "${unknown}": expected ${PROGRAMS.join(", ")}`);
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
const facts = factsOf(root);
for (const program of named.length > 0 ? named : PROGRAMS) {
  const path = join(folder, program);
  await compile({ root, program, path, facts, target: hostName() });
  console.error(`· ${path} ${facts.version} (${Math.round(statSync(path).size / 1e6)} MB)`);
}
