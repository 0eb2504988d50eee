import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Figure } from "./bench.ts";
import { containerWords, docker, shellWord } from "./docker.ts";
import { formatMs, median, rounded } from "./numbers.ts";
import { alternate, runProcess } from "./processes.ts";
import { makeSmallRepository } from "./small-repository.ts";

const ROUNDS = 15;
const WARM_UP = 2;

/**
 * A whole build, from the program's start to its end, compared with a script of the same `docker` commands.
 */
export const build: Bench = {
  name: "build",
  group: "spine",
  alsoIn: ["everyday"],
  async measure({ folder, program, compiled, image, say }) {
    const repository = await makeSmallRepository(folder);
    const words = ["run", "--image", image, "-c", "make", "--data", join(folder, "data"), repository];
    const ours = (path: string) => async () => (await runProcess([path, ...words])).ms;
    await runProcess([program, ...words]);
    const script = await writeScript(folder, image, repository);
    const byDocker = async () => (await runProcess(["sh", script])).ms;
    const work = [byDocker, ours(program), ...compiled === undefined ? [] : [ours(compiled)]];
    try {
      await alternate(WARM_UP, work);
      if (compiled === undefined) say("not measured: a single file, which scripts/build makes");
      say(`${ROUNDS} builds of each kind, in turns`);
      const [reference = [], ...times] = await alternate(ROUNDS, work);
      return times.flatMap((ms, i) => KINDS[i] ? [figureOf(KINDS[i], ms, reference)] : []);
    } finally {
      // It exists only if an earlier script was interrupted.
      const left = await docker("ps", "--all", "--quiet", "--filter", `label=conveyor.bench=${NAME}`);
      if (left !== "") await docker("rm", "--force", "--volumes", ...left.split("\n"));
    }
  },
};

const NAME = "conveyor-bench-build";
const KINDS = [
  { kind: "from source on Bun", most: 1.05 },
  { kind: "single file", most: 0.95 },
];

async function writeScript(folder: string, image: string, repository: string): Promise<string> {
  const path = join(folder, "steps.sh");
  const start = (await containerWords(image, NAME)).map(shellWord).join(" ");
  writeFileSync(
    path,
    `set -e
docker ${start}
docker cp ${shellWord(repository)} ${NAME}:/source
docker exec ${NAME} git clone /source .
docker exec ${NAME} make
docker rm --force --volumes ${NAME}
`,
  );
  return path;
}

function figureOf(
  { kind, most }: { kind: string; most: number },
  ms: readonly number[],
  reference: readonly number[],
): Figure {
  const ratio = median(ms) / median(reference);
  return {
    what: `build of a small C repository, ${kind}`,
    ours: formatMs(median(ms)),
    reference: `${formatMs(median(reference))} by docker's command line`,
    ratio: rounded(ratio),
    target: `ratio ≤ ${most}`,
    isMet: ratio <= most,
    numbers: {
      ms: rounded(median(ms)),
      fastestMs: rounded(Math.min(...ms)),
      referenceMs: rounded(median(reference)),
      fastestReferenceMs: rounded(Math.min(...reference)),
      rounds: ms.length,
    },
  };
}
