import { spawnSync } from "node:child_process";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../releases/compile.ts";
import { factsOf } from "../releases/facts.ts";
import { hostName } from "../releases/targets.ts";
import type { Bench, Figure } from "./bench.ts";
import { measureIdleDriver } from "./idle-driver.ts";
import { formatMs, median, rounded } from "./numbers.ts";
import { alternate, runProcess } from "./processes.ts";

const ROUNDS = 15;
const WARM_UP = 2;
const MOST_OF_EMPTY = 2;
const MOST_OF_RUNTIME = 4_000_000;

const COMMANDS = [
  ["flutter-ci", "--version"],
  ["flutter-ci", "--help"],
  ["flutter-ci", "run", "--help"],
  ["flutter-ci", "completion", "bash"],
  ["container-start", "--version"],
  ["container-start", "--help"],
  ["git-cloner", "--version"],
  ["builder", "--version"],
  ["builder", "--help"],
  ["container-stop", "--version"],
] as const;

/** Start-up time, memory and size of compiled programs, compared with programs that do nothing. */
export const start: Bench = {
  name: "start",
  group: "release",
  async measure({ folder, root, say }) {
    const facts = factsOf(root);
    for (const program of new Set(COMMANDS.map(([program]) => program))) {
      say(`compiles ${program}`);
      await compile({ root, program, path: join(folder, program), facts, target: hostName() });
    }
    const bun = emptyOnBun(folder);
    const go = emptyOnGo(folder);
    const programs = [
      [bun],
      ...go === undefined ? [] : [[go]],
      ...COMMANDS.map(([name, ...rest]) => [join(folder, name), ...rest]),
    ];
    const work = programs.map((words) => async () => (await runProcess(words)).ms);
    await alternate(WARM_UP, work);
    say(`${ROUNDS} rounds of ${programs.length} programs in turns`);
    const [empty = [], ...rest] = await alternate(ROUNDS, work);
    const nothing = median(empty);
    const ours = rest.slice(go === undefined ? 0 : 1);
    return [
      ...COMMANDS.map((words, i) => timeFigure(words.join(" "), median(ours[i] ?? []), nothing)),
      ...go === undefined
        ? []
        : [timeFigure("an empty program in Go", median(rest[0] ?? []), nothing, false)],
      ...await measureIdleDriver({ folder, say }),
      ...["flutter-ci", "container-start", "git-cloner", "builder", "container-stop"].map((program) =>
        sizeFigure(program, statSync(join(folder, program)).size, statSync(bun).size)
      ),
    ];
  },
};

function emptyOnBun(folder: string): string {
  const source = join(folder, "empty.ts");
  writeFileSync(source, "export {};\n");
  const path = join(folder, "empty-bun");
  const { status, stderr } = spawnSync(process.execPath, ["build", source, "--compile", "--outfile", path], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`Cannot compile an empty program: ${stderr}`);
  return path;
}

/** Undefined if there is no Go on this machine. */
function emptyOnGo(folder: string): string | undefined {
  const source = join(folder, "go");
  mkdirSync(source);
  writeFileSync(join(source, "main.go"), "package main\n\nfunc main() {}\n");
  const path = join(folder, "empty-go");
  return spawnSync("go", ["build", "-o", path, join(source, "main.go")]).status === 0 ? path : undefined;
}

function timeFigure(what: string, ms: number, empty: number, hasTarget = true): Figure {
  return {
    what,
    ours: formatMs(ms),
    reference: `${formatMs(empty)} an empty program on Bun`,
    ratio: ms / empty,
    ...hasTarget && { target: `≤ ${MOST_OF_EMPTY.toFixed(1)} ×`, isMet: ms / empty <= MOST_OF_EMPTY },
    numbers: { ms: rounded(ms), emptyMs: rounded(empty), rounds: ROUNDS },
  };
}

function sizeFigure(program: string, bytes: number, empty: number): Figure {
  const own = bytes - empty;
  const isDriver = program !== "flutter-ci";
  return {
    what: `${program}: file beyond the runtime`,
    ours: `${(own / 1e6).toFixed(2)} MB`,
    reference: `${(empty / 1e6).toFixed(1)} MB an empty program on Bun`,
    ...isDriver && { target: `≤ ${MOST_OF_RUNTIME / 1e6} MB`, isMet: own <= MOST_OF_RUNTIME },
    numbers: { bytes, emptyBytes: empty },
  };
}
