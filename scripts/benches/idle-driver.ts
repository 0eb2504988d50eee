import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { connectDocker } from "../../lib/docker/dockerode.ts";
import { findDocker } from "../../lib/docker/find-docker.ts";
import { startNats } from "../../tests/support/nats-server.ts";
import type { Figure, Place } from "./bench.ts";
import { formatMs, median, rounded } from "./numbers.ts";

const ROUNDS = 7;
const SETTLE_MS = 2000;
const MOST_MS = 60;
const MOST_BYTES = 50_000_000;

interface Memory {
  readonly all: number;
  /** The heap and compiled code. */
  readonly own: number;
  /** Pages of the program's file, which all processes of one file share. */
  readonly file: number;
}

/** How soon a compiled driver takes events of a local broker, and its memory while there are none. */
export async function measureIdleDriver({ folder, say }: Pick<Place, "folder" | "say">): Promise<Figure[]> {
  await using server = await startNats();
  const nats = ["--nats", server.url];
  const up = ["up", ...nats, "--drivers", "none", "--listen", "127.0.0.1:0", "--data", join(folder, "up")];
  await using _plane = await started([join(folder, "flutter-ci"), ...up], "Serves http:");
  const idle = compileIdle(folder);
  say(`${ROUNDS} rounds of a driver and a program that waits`);
  await using docker = connectDocker(await findDocker({ environment: process.env, home: homedir() }));
  const times: number[] = [],
    processor: number[] = [],
    answers: number[] = [],
    memory: Memory[] = [],
    least: Memory[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await using driver = await started([join(folder, "builder"), ...nats], " takes events of ");
    await using nothing = await started([idle], "waits");
    await setTimeout(SETTLE_MS);
    times.push(driver.ms);
    processor.push(driver.processorMs);
    const asked = performance.now();
    await docker.info();
    answers.push(performance.now() - asked);
    memory.push(memoryOf(driver.pid));
    least.push(memoryOf(nothing.pid));
  }
  const [ms, ours, bare] = [median(times), middle(memory), middle(least)];
  const [processorMs, answerMs] = [median(processor), median(answers)];
  return [
    {
      what: "builder: from its start until it takes events",
      ours: `${formatMs(ms)} (its main thread runs for ${formatMs(processorMs)})`,
      reference: `${formatMs(answerMs)} Docker says who it is`,
      target: `≤ ${MOST_MS} ms`,
      isMet: ms <= MOST_MS,
      numbers: {
        ms: rounded(ms),
        processorMs: rounded(processorMs),
        dockerMs: rounded(answerMs),
        rounds: ROUNDS,
      },
    },
    {
      what: "builder: resident while it waits (its own, and pages of its file)",
      ours: `${megabytes(ours.all)} MB (${megabytes(ours.own)} and ${megabytes(ours.file)})`,
      reference: `${megabytes(bare.all)} MB (${megabytes(bare.own)} and ${
        megabytes(bare.file)
      }) a program on Bun that waits`,
      ratio: ours.all / bare.all,
      target: `≤ ${MOST_BYTES / 1e6} MB`,
      isMet: ours.all <= MOST_BYTES,
      numbers: { bytes: ours.all, ownBytes: ours.own, fileBytes: ours.file, emptyBytes: bare.all },
    },
  ];
}

/** Starts a program and resolves once it has printed `text` on stderr. Dispose kills it. */
async function started(
  words: readonly string[],
  text: string,
): Promise<{ ms: number; processorMs: number; pid: number } & AsyncDisposable> {
  const began = performance.now();
  const child = Bun.spawn([...words], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const end = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  let said = "";
  for await (const bytes of child.stderr) {
    said += Buffer.from(bytes).toString();
    if (said.includes(text)) {
      const ms = performance.now() - began;
      return { ms, processorMs: processorMsOf(child.pid), pid: child.pid, [Symbol.asyncDispose]: end };
    }
  }
  await end();
  throw new Error(`${words.join(" ")} ended without saying "${text}": ${said}`);
}

function compileIdle(folder: string): string {
  const source = join(folder, "idle.ts");
  writeFileSync(source, `console.error("waits");\nsetInterval(() => {}, 1e6);\n`);
  const path = join(folder, "idle-bun");
  const { status, stderr } = spawnSync(process.execPath, ["build", source, "--compile", "--outfile", path], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`Cannot compile a program that waits: ${stderr}`);
  return path;
}

/** How long the main thread of a process has run. */
function processorMsOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
}

function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string) => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]);
  return { all: field("VmRSS"), own: field("RssAnon"), file: field("RssFile") };
}

const middle = (all: readonly Memory[]): Memory => ({
  all: median(all.map(({ all }) => all)),
  own: median(all.map(({ own }) => own)),
  file: median(all.map(({ file }) => file)),
});

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
