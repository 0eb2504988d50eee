import { join } from "node:path";
import { artifactsFigure } from "./artifacts.ts";
import type { Bench, Figure, Place } from "./bench.ts";
import { keepArtifacts } from "./keep-artifacts.ts";
import { formatMs, rounded } from "./numbers.ts";
import { type Ended, runProcess } from "./processes.ts";
import { makeSmallRepository } from "./small-repository.ts";

const GIB = 1024 ** 3;
const MANY = 100_000;
const MOST = { ratio: 1.3, moreBytes: 40 * 1024 ** 2 };

/**
 * One large artifact and a hundred thousand small ones, compared with `docker cp`, and the memory of the run.
 */
export const largeArtifacts: Bench = {
  name: "large-artifacts",
  group: "everyday",
  async measure(place) {
    const large = await keepArtifacts(place, {
      name: "conveyor-bench-large-artifact",
      make: `head -c ${GIB} /dev/urandom >big`,
      path: "big",
      count: 1,
      rounds: 3,
      isWarm: false,
    });
    const many = await keepArtifacts(place, {
      name: "conveyor-bench-many-artifacts",
      make: `mkdir d; cd d; seq ${MANY} | xargs touch`,
      path: "d",
      count: MANY,
      rounds: 2,
      isWarm: false,
    });
    return [
      artifactsFigure("an artifact of 1 GiB", { ...large, most: MOST.ratio }),
      artifactsFigure(`${MANY} empty artifacts by one glob`, many),
      ...await runs(place),
    ];
  },
};

/** What the program prints, and its peak memory. */
async function runs({ folder, program, image, say }: Place): Promise<Figure[]> {
  const repository = await makeSmallRepository(folder);
  const data = join(folder, "data");
  const output = join(folder, "output");
  const run = async (command: string, glob: string) => {
    const words = ["--image", image, "--data", data, "--network", "none", "-c", command, "-a", glob];
    return await runProcess([program, "run", ...words, "-o", output, repository], {
      output: true,
      memory: true,
    });
  };
  say("runs with an artifact of 1 KiB, one of 1 GiB, and too many of them");
  const small = await run("head -c 1024 /dev/zero >big", "big");
  const large = await run(`head -c ${GIB} /dev/zero >big`, "big");
  const many = await run(`mkdir d; cd d; seq ${MANY} | xargs touch`, "d");
  const refusal = /^\d+ artifacts? (?:is|are) not kept: .*$/m.exec(many.stdout)?.[0];
  if (refusal === undefined) throw new Error("A run with too many artifacts does not say so");
  const moreBytes = large.peakBytes - small.peakBytes;
  return [
    {
      ...memoryFigure("a run with an artifact of 1 GiB", large, small),
      target: `≤ ${MOST.moreBytes / 1024 ** 2} MiB more`,
      isMet: moreBytes <= MOST.moreBytes,
    },
    memoryFigure(`a run of ${MANY} artifacts ("${refusal}")`, many, small),
  ];
}

function memoryFigure(what: string, ended: Ended, { peakBytes }: Ended): Figure {
  const mib = (bytes: number) => `${Math.round(bytes / 1024 ** 2)} MiB`;
  return {
    what,
    ours: `${formatMs(ended.ms)}, at most ${mib(ended.peakBytes)} resident`,
    reference: `${mib(peakBytes)} with one of 1 KiB`,
    numbers: { ms: rounded(ended.ms), peakBytes: ended.peakBytes, smallPeakBytes: peakBytes },
  };
}
