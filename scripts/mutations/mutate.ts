/**
 * Changes one thing in a room's code at a time, and runs the unit tests that reach the changed line, wherever
 * they are: those that pass all the same do not notice it. `scripts/mutate ROOM… [--count N] [--seed S]
 * [--seconds S]`, the last for one file of tests; prints each survivor, and the share that was killed. Works
 * in the checkout that it is started in and leaves it as it was.
 */
import { Glob } from "bun";
import { join } from "node:path";
import { flagsOf, refuse } from "../usage.ts";
import { type Mutant, mutantsOf } from "./mutants.ts";
import { measure, passes, reaches, type TestFile } from "./reach.ts";

/** A change of a file. */
interface Found extends Mutant {
  readonly path: string;
}

/** Each room's code. */
const ROOMS: Record<string, string> = {
  "core": "lib/engine/core/**/*.ts",
  "driver": "lib/driver/{take,understand,claim,work,log,report,host}/**/*.ts",
  "wire": "lib/wire/**/*.ts",
  "build": "lib/build/**/*.ts",
  "docker": "lib/docker/**/*.ts",
  "backend": "lib/backend/shared/**/*.ts",
  "cli": "lib/cli/shared/**/*.ts",
};
/** Tests that need more than the unit tests' few seconds, or a machine that has Docker and a broker. */
const NOT_UNIT = /_(?:docker|nats|slow|alone|release)_test\.ts$/;

const root = join(import.meta.dir, "../..");
const { values, positionals } = flagsOf({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    seconds: { type: "string", default: "20" },
  },
});
const rooms = positionals;
const unknown = rooms.find((room) => !Object.hasOwn(ROOMS, room));
if (unknown !== undefined || rooms.length === 0) {
  refuse(`Unknown room "${unknown ?? ""}": expected ${Object.keys(ROOMS).join(", ")}`);
}
const mostMs = Number(values.seconds) * 1000;

const chosen: Record<string, Found[]> = {};
for (const room of rooms) {
  const found = await mutantsIn(ROOMS[room] as string);
  chosen[room] = sample(found, Number(values.count), Number(values.seed));
  console.log(`${room}: ${chosen[room].length} of ${found.length} mutants`);
}
const tests = await testsByTime(new Set(Object.values(chosen).flat().map(({ path }) => path)));
console.log(`${tests.length} test files`);
for (const [room, mutants] of Object.entries(chosen)) {
  let killed = 0;
  for (const mutant of mutants) if (await isKilled(mutant)) killed++;
  console.log(
    `${room}: killed ${killed} of ${mutants.length} (${Math.round(100 * killed / mutants.length)} %)`,
  );
}

async function mutantsIn(room: string): Promise<Found[]> {
  const found: Found[] = [];
  for (const path of (await Array.fromAsync(new Glob(room).scan(root))).sort()) {
    found.push(...mutantsOf(await Bun.file(join(root, path)).text()).map((mutant) => ({ ...mutant, path })));
  }
  return found;
}

async function isKilled({ path, line, what, text }: Found): Promise<boolean> {
  const file = join(root, path);
  const original = await Bun.file(file).text();
  const reaching = tests.filter((test) => reaches(test, path, line));
  try {
    await Bun.write(file, text);
    if (await isNoticed(reaching)) return true;
    const by = reaching.length === 0 ? "no test reaches it" : `${reaching.length} test files reach it`;
    console.log(`survived  ${path}:${line}: ${what} (${by})`);
    return false;
  } finally {
    await Bun.write(file, original);
  }
}

/**
 * The unit tests that load one of the files, the fastest first: most changes are noticed by one of those.
 * Those that take too long are left out.
 */
async function testsByTime(paths: ReadonlySet<string>): Promise<TestFile[]> {
  const measured: TestFile[] = [];
  for (const path of (await Array.fromAsync(new Glob("tests/**/*_test.ts").scan(root))).sort()) {
    if (NOT_UNIT.test(path)) continue;
    // Coverage makes a file slower.
    const test = await measure(path, { root, timeoutMs: 3 * mostMs });
    if (!test) console.log(`left out  ${path}: it fails or takes too long as the code stands`);
    else if (test.lines.keys().some((loaded) => paths.has(loaded))) measured.push(test);
  }
  return measured.sort((a, b) => a.ms - b.ms);
}

/** A test that takes ten times as long as it did waits for what does not come any more. */
async function isNoticed(reaching: readonly TestFile[]): Promise<boolean> {
  for (const { path, ms } of reaching) {
    const timeoutMs = Math.min(mostMs, Math.max(5000, Math.ceil(10 * ms)));
    if (!await passes(path, { root, timeoutMs })) return true;
  }
  return false;
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
