import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openHistory } from "../../lib/backend/embedded/embedded.ts";
import type { Run } from "../../lib/wire/run.ts";
import type { Bench, Figure } from "./bench.ts";
import { containerWords, docker, shellWord } from "./docker.ts";
import { formatMs, median, rounded } from "./numbers.ts";
import { alternate, runProcess } from "./processes.ts";
import { commitAll } from "./small-repository.ts";

const LINES = 1_000_000;
/** Includes the newline. */
const LINE_BYTES = 80;
const ROUNDS = 5;
const TARGET = { ratio: 1.5, bytes: 150 * 1024 ** 2 };
const COMMAND = `seq -f %0${LINE_BYTES - 1}.0f 1 ${LINES}`;
const NAME = "conveyor-bench-log";

/**
 * Many lines from a container into the stored log, compared with `docker exec` into a file. Our time is that
 * of the builder's step, from its claim to its recorded result: by then all lines are stored.
 */
export const log: Bench = {
  name: "log",
  group: "spine",
  async measure({ folder, program, image, say }) {
    const repository = join(folder, "repository");
    mkdirSync(repository);
    writeFileSync(join(repository, "README"), "Prints a lot\n");
    await commitAll(repository);
    /** Measures one way to run the build, and keeps its peak memory. */
    const way = (what: string, flags: readonly string[], hasTarget: boolean): Way => {
      const own: Way = {
        what,
        hasTarget,
        peakBytes: 0,
        async measure() {
          const data = join(folder, `data-${crypto.randomUUID()}`);
          const words = ["run", ...flags, "--image", image, "-c", COMMAND, "--data", data, repository];
          const ended = await runProcess([program, ...words], { memory: true });
          own.peakBytes = Math.max(own.peakBytes, ended.peakBytes);
          return await checkedBuilderMs(data);
        },
      };
      return own;
    };
    const ways = [
      way("all there and in order", ["--quiet"], true),
      way("and shown as plain lines", [], false),
    ];
    await ways[0]?.measure();
    await docker(...await containerWords(image, NAME));
    try {
      say(`${ROUNDS} times ${LINES} lines each way, in turns`);
      const [reference = [], ...times] = await alternate(ROUNDS, [
        () => execIntoFile(folder),
        ...ways.map(({ measure }) => measure),
      ]);
      return ways.map((way, i) => figureOf(way, times[i] ?? [], reference));
    } finally {
      await docker("rm", "--force", "--volumes", NAME);
    }
  },
};

interface Way {
  readonly what: string;
  /** The cost of printing the lines: shown, without a target. */
  readonly hasTarget: boolean;
  peakBytes: number;
  measure(): Promise<number>;
}

function figureOf(
  { what, hasTarget, peakBytes }: Way,
  own: readonly number[],
  reference: readonly number[],
): Figure {
  const [ms, referenceMs] = [median(own), median(reference)];
  const ratio = ms / referenceMs;
  return {
    what: `${LINES} lines of ${LINE_BYTES} bytes into the stored log, ${what}`,
    ours: `${formatMs(ms)}, at most ${Math.round(peakBytes / 1024 ** 2)} MiB resident`,
    reference: `${formatMs(referenceMs)} by docker exec into a file`,
    ratio: rounded(ratio),
    ...hasTarget && {
      target: `ratio ≤ ${TARGET.ratio}, ≤ ${TARGET.bytes / 1024 ** 2} MiB`,
      isMet: ratio <= TARGET.ratio && peakBytes <= TARGET.bytes,
    },
    numbers: { ms: rounded(ms), referenceMs: rounded(referenceMs), peakBytes, rounds: own.length },
  };
}

async function execIntoFile(folder: string): Promise<number> {
  const file = join(folder, "lines");
  const { ms } = await runProcess(["sh", "-c", `exec docker exec ${NAME} ${COMMAND} >${shellWord(file)}`]);
  const { size } = statSync(file);
  if (size !== LINES * LINE_BYTES) throw new Error(`docker exec wrote ${size} bytes`);
  return ms;
}

/** Checks that every line is in its place, and returns the duration of the builder's step. */
async function checkedBuilderMs(data: string): Promise<number> {
  await using store = await openHistory(data);
  const [run] = await store.runs.list();
  if (!run) throw new Error(`There is no run in ${data}`);
  let [count, seq] = [0, 0];
  for await (const batch of store.logs.read(run.id)) {
    if (batch.firstSeq !== seq + 1) throw new Error(`Line ${seq} is followed by line ${batch.firstSeq}`);
    seq += batch.lines.length;
    for (const { stream, message } of batch.lines) {
      if (stream !== "stdout" || batch.step !== "builder") continue;
      count++;
      if (message.length !== LINE_BYTES - 1 || Number(message) !== count) {
        throw new Error(`Line ${count} of the output is "${message}"`);
      }
    }
  }
  if (count !== LINES) throw new Error(`The log has ${count} lines of output, expected ${LINES}`);
  return builderMs(run);
}

function builderMs({ steps }: Run): number {
  const { startedAt = NaN, endedAt = NaN } = steps.find(({ driver }) => driver === "builder") ?? {};
  return endedAt - startedAt;
}
