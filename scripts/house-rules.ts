/**
 * Checks the rules that formatter, linter and compiler do not know: which room may import which, that no
 * files import each other in a circle, which one file may import a library or read the environment, that
 * neither runtime's globals are used, that no test goes by the clock, and how wide comments are. Prints each
 * breach with its place, and exits with 1 if there is one.
 */
import { Glob } from "bun";
import { dirname, join } from "node:path";
import { circlesIn } from "./circles.ts";
import { wideComments } from "./wide-comments.ts";

const root = join(import.meta.dir, "..");

/**
 * Rooms, and the rooms each may import from. A room may always import from itself. A file belongs to the room
 * with the longest name that fits, so `lib/backend` is the contracts and not what implements them.
 */
const CONTRACTS = ["lib/backend", "lib/wire", "lib/base"];
const SDK = ["lib/driver", "lib/driver/program", "lib/docker", ...CONTRACTS];
const ARROWS: Record<string, string[]> = {
  "lib/base": [],
  "lib/wire": ["lib/base"],
  "lib/backend": ["lib/wire", "lib/base"],
  "lib/backend/shared": CONTRACTS,
  "lib/backend/embedded": ["lib/backend/shared", ...CONTRACTS],
  "lib/backend/nats": ["lib/backend/embedded", "lib/backend/shared", ...CONTRACTS],
  "lib/docker": ["lib/base"],
  "lib/driver": ["lib/docker", ...CONTRACTS],
  "lib/driver/program": ["lib/driver", "lib/docker", "lib/backend/nats", ...CONTRACTS],
  "lib/driver/testing": [
    "lib/driver",
    "lib/driver/program",
    "lib/docker",
    "lib/backend/embedded",
    ...CONTRACTS,
  ],
  "lib/engine/core": CONTRACTS,
  "lib/engine/shell": ["lib/engine/core", "lib/backend/shared", ...CONTRACTS],
  "lib/engine/http": ["lib/engine/shell", "lib/engine/core", ...CONTRACTS],
  "lib/build": SDK,
  "lib/cli": [
    "drivers",
    "lib/build",
    "lib/engine/http",
    "lib/engine/shell",
    "lib/engine/core",
    "lib/backend/embedded",
    "lib/backend/nats",
    ...SDK,
  ],
  "lib/runtime.ts": SDK,
  "lib/testing.ts": ["lib/driver/testing"],
  "drivers": ["lib/runtime.ts", "lib/cli", "lib/build"],
};

/**
 * Rooms that only decide, and the packages that they may import: none that reads, writes, listens or waits.
 */
const PURE: Record<string, string[]> = { "lib/engine/core": ["node:buffer", "node:crypto", "zod"] };

/**
 * Resource types are up to the authors of drivers: the SDK names none, and neither does anything below it.
 */
const RESOURCE_TYPE = /["'`]flutter-builder["'`]|\bFLUTTER_/;
const KNOWS_NO_RESOURCE_TYPE = [
  "lib/base",
  "lib/wire",
  "lib/backend",
  "lib/docker",
  "lib/driver",
  "lib/engine",
];

/** Text that only the named file or folder may contain. */
const ONLY_IN: { what: string; pattern: RegExp; where: string }[] = [
  { what: "dockerode", pattern: /from "dockerode"|import\("dockerode"\)/, where: "lib/docker/client.ts" },
  { what: "@nats-io", pattern: /from "@nats-io\//, where: "lib/backend/nats/" },
  {
    what: "@opentelemetry",
    pattern: /from "@opentelemetry\/|import\("@opentelemetry\//,
    where: "lib/engine/shell/traces/",
  },
  { what: "node:sqlite", pattern: /from "node:sqlite"/, where: "lib/backend/embedded/" },
  {
    what: "process.env",
    pattern: /process\.env|import \{[^}]*\benv\b[^}]*\} from "node:process"/,
    where: "lib/driver/program/command-line/environment.ts",
  },
  {
    what: "timers (use startTimer, startInterval or timeoutSignal)",
    pattern: /(?<![.\w])set(?:Timeout|Interval)\(|AbortSignal\.timeout\(/,
    where: "lib/base/timers.ts",
  },
  {
    what: "JSON.parse (texts of others: parseJson, which has bounds; our own: parseOwnJson)",
    pattern: /\bJSON\.parse\(/,
    where: "lib/base/json.ts",
  },
  { what: "the globals Deno and Bun", pattern: /(?<![\w."'`/-])(?:Deno|Bun)\./, where: "scripts/" },
];

/**
 * Matches what goes by the clock. Tests wait for conditions instead, with `until`, `within`, `turns`,
 * `leaseEnds` and limits in the measured pace of the machine, which are in these files.
 */
const CLOCK =
  /(?<![.\w])(?:set(?:Timeout|Interval)|delay|sleep)\(|AbortSignal\.timeout\(|timeoutSignal\(|performance\.now\(|Date\.now\(\) [-<>]|"node:timers\/promises"/;
const MAY_USE_CLOCK = [
  "tests/support/until.ts",
  "tests/support/within.ts",
  "tests/support/pace.ts",
  "tests/base/timers_test.ts", // Timers are what it tests.
];

/** The formatter's width of lines. It leaves comments alone. */
const WIDTH = 110;

const breaches: string[] = [];
const imports = new Map<string, string[]>();
for await (const path of new Glob("{lib,drivers}/**/*.ts").scan(root)) {
  const text = await Bun.file(join(root, path)).text();
  const code = withoutComments(text);
  checkArrows(path, code);
  checkOnlyIn(path, code);
  checkResourceType(path, code);
  checkShape(path, text, code);
}
for (const circle of circlesIn(imports)) {
  breaches.push(`${circle[0]}:1: imports itself through ${circle.slice(1).join(", ")} (types count too)`);
}
for await (const path of new Glob("tests/**/*.ts").scan(root)) {
  const text = await Bun.file(join(root, path)).text();
  checkNeeds(path, text);
  // A process that a test starts may wait until it is ended.
  if (MAY_USE_CLOCK.includes(path) || path.includes("-children/")) continue;
  const code = withoutComments(text);
  const match = CLOCK.exec(code);
  if (match) breach(path, code, match.index, `goes by the clock ("${match[0]}"); await a condition`);
}
for await (const path of new Glob("{lib,drivers,scripts,tests}/**/*.ts").scan(root)) {
  for (const line of wideComments(await Bun.file(join(root, path)).text(), WIDTH)) {
    breaches.push(`${path}:${line}: is wider than ${WIDTH} characters`);
  }
}
for (const breach of breaches.sort()) console.error(breach);
process.exit(breaches.length === 0 ? 0 : 1);

/** Returns the text with its comments replaced by blanks. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, " "));
}

function checkArrows(path: string, code: string): void {
  const from = roomOf(path);
  if (!from) return breach(path, code, 0, `is in no room; rooms are ${Object.keys(ARROWS).join(", ")}`);
  const targets: string[] = [];
  for (const match of code.matchAll(/(?:from|import\(|import)\s*"([^"]+)"/g)) {
    const name = match[1] ?? "";
    if (!name.startsWith(".")) {
      if (PURE[from]?.includes(name) === false) {
        breach(path, code, match.index, `${from} must not use ${name}`);
      }
      continue;
    }
    const target = join(dirname(path), name);
    if (target === "package.json") continue;
    targets.push(target);
    const to = roomOf(target);
    if (to === from || (to && ARROWS[from]?.includes(to))) continue;
    breach(path, code, match.index, `${from} must not import ${target}`);
  }
  imports.set(path, targets);
}

function checkResourceType(path: string, code: string): void {
  if (!KNOWS_NO_RESOURCE_TYPE.some((room) => path.startsWith(`${room}/`))) return;
  const match = RESOURCE_TYPE.exec(code);
  if (match) breach(path, code, match.index, `knows the resource type ${match[0]}; only lib/build does`);
}

function checkOnlyIn(path: string, code: string): void {
  for (const { what, pattern, where } of ONLY_IN) {
    const match = pattern.exec(code);
    if (match && !path.startsWith(where)) breach(path, code, match.index, `only ${where} may use ${what}`);
  }
}

/** If the machine lacks what a test file's name says, its tests are skipped with that reason. */
function checkNeeds(path: string, text: string): void {
  const need = /_(?:docker|alone)_test\.ts$/.test(path)
    ? "Docker"
    : /_nats_test\.ts$/.test(path)
    ? "broker"
    : "";
  if (need === "" || new RegExp(`(?:needing|lacking)\\([^)]*"${need}"`).test(text)) return;
  breach(path, text, 0, `takes its tests from needing("${need}") of tests/support/needs.ts, by its name`);
}

function checkShape(path: string, text: string, code: string): void {
  const lines = text.split("\n").length;
  if (lines > 350) breach(path, code, 0, `has ${lines} lines; a file fits in a head (350 at most)`);
  const variable = /^(?:export )?let /m.exec(code);
  if (variable) breach(path, code, variable.index, "module-level let: state belongs to whoever made it");
}

function roomOf(path: string): string | undefined {
  const rooms = Object.keys(ARROWS).filter((room) => path === room || path.startsWith(`${room}/`));
  return rooms.sort((one, other) => other.length - one.length)[0];
}

function breach(path: string, code: string, index: number, what: string): void {
  breaches.push(`${path}:${code.slice(0, index).split("\n").length}: ${what}`);
}
