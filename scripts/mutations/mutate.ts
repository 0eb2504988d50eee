/**
 * Changes one thing in a room's code at a time, and runs the room's unit tests: those that pass all the same do not notice it.
 * `scripts/mutate ROOM [--count N] [--seed S] [--seconds S]`, the last for one file of tests; prints each survivor, and the share that was killed. Works in the checkout that
 * it is started in and leaves it as it was.
 */
import { Glob } from "bun";
import { join } from "node:path";
import { flagsOf, refuse } from "../usage.ts";
import { type Mutant, mutantsOf } from "./mutants.ts";

/** A room's code, and the tests that are about it. */
const ROOMS: Record<string, { code: string; tests: string }> = {
  "core": {
    code: "lib/engine/core/**/*.ts",
    tests:
      "tests/engine/{claim,clocks,decide,decide_property,dispatch,engine,follow,log_tail,open_secrets,stop,validate,unread_result,results}_test.ts",
  },
  "driver": {
    code: "lib/driver/{take,understand,claim,work,log,report,host}/**/*.ts",
    tests: "tests/driver/*_test.ts",
  },
  "wire": { code: "lib/wire/**/*.ts", tests: "tests/{wire,conveyor,base,engine}/*_test.ts" },
  "build": { code: "lib/build/**/*.ts", tests: "tests/build/*_test.ts" },
};
/** Tests that need more than the unit tests' few seconds, or a machine that has Docker and a broker. */
const NOT_UNIT = /_(?:docker|nats|slow|alone)_test\.ts$/;

const root = join(import.meta.dir, "../..");
const { values, positionals } = flagsOf({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    seconds: { type: "string", default: "20" },
  },
});
const room = ROOMS[positionals[0] ?? ""];
if (!room) refuse(`Unknown room "${positionals[0] ?? ""}": expected ${Object.keys(ROOMS).join(", ")}`);

const all: (Mutant & { path: string })[] = [];
for (const path of (await Array.fromAsync(new Glob(room.code).scan(root))).sort()) {
  all.push(...mutantsOf(await Bun.file(join(root, path)).text()).map((mutant) => ({ ...mutant, path })));
}
const chosen = sample(all, Number(values.count), Number(values.seed));
const tests = await testsByTime(room.tests);
console.log(`${chosen.length} of ${all.length} mutants, ${tests.length} test files`);

let killed = 0;
for (const { path, line, what, text } of chosen) {
  const file = join(root, path);
  const original = await Bun.file(file).text();
  try {
    await Bun.write(file, text);
    if (await isNoticed()) killed++;
    else console.log(`survived  ${path}:${line}: ${what}`);
  } finally {
    await Bun.write(file, original);
  }
}
console.log(
  `${positionals[0]}: killed ${killed} of ${chosen.length} (${Math.round(100 * killed / chosen.length)} %)`,
);

/** The room's unit tests, the fastest first: most changes are noticed by one of those. Those that take too long are left out. */
async function testsByTime(pattern: string): Promise<string[]> {
  const times: { path: string; ms: number }[] = [];
  for (const path of (await Array.fromAsync(new Glob(pattern).scan(root))).sort()) {
    if (NOT_UNIT.test(path)) continue;
    const began = performance.now();
    if (await passes(path)) times.push({ path, ms: performance.now() - began });
    else console.log(`left out  ${path}: it fails or takes too long as the code stands`);
  }
  return times.sort((a, b) => a.ms - b.ms).map(({ path }) => path);
}

async function isNoticed(): Promise<boolean> {
  for (const path of tests) if (!await passes(path)) return true;
  return false;
}

/** A file's tests pass, and in time: a loop without an end is noticed as well. */
async function passes(path: string): Promise<boolean> {
  const child = Bun.spawn(
    [process.execPath, "--no-env-file", "test", "--isolate", "--bail", "--timeout", "20000", `./${path}`],
    {
      cwd: root,
      stdout: "ignore",
      stderr: "ignore",
      timeout: Number(values.seconds) * 1000,
      killSignal: "SIGKILL",
    },
  );
  return await child.exited === 0;
}

/** Some of the elements, the same ones for the same seed. */
function sample<T>(from: readonly T[], count: number, seed: number): T[] {
  let state = seed;
  // A linear congruential generator: all that is asked of it is to be the same again.
  const next = () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  const rest = [...from];
  return Array.from(
    { length: Math.min(count, rest.length) },
    () => rest.splice(Math.floor(next() * rest.length), 1)[0] as T,
  );
}
