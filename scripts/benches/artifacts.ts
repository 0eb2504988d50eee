import type { Bench, Figure } from "./bench.ts";
import { keepArtifacts } from "./keep-artifacts.ts";
import { formatMs, median, rounded } from "./numbers.ts";

const FILES = 2000;
const TARGET = 3;

/**
 * Many small files from a container through the store into a folder, compared with `docker cp` of their
 * folder.
 */
export const artifacts: Bench = {
  name: "artifacts",
  group: "spine",
  async measure(place) {
    const { ours, reference } = await keepArtifacts(place, {
      name: "conveyor-bench-artifacts",
      make: `mkdir d; for i in $(seq ${FILES}); do echo $i >d/$i; done`,
      path: "d",
      count: FILES,
      rounds: 9,
      isWarm: true,
    });
    return [artifactsFigure(`${FILES} artifacts of some bytes`, { ours, reference, most: TARGET })];
  },
};

/** Compares keeping and saving artifacts with `docker cp`. Without `most` there is no target. */
export function artifactsFigure(
  what: string,
  { ours, reference, most }: { ours: readonly number[]; reference: readonly number[]; most?: number },
): Figure {
  const ratio = median(ours) / median(reference);
  return {
    what: `${what}, kept and saved`,
    ours: formatMs(median(ours)),
    reference: `${formatMs(median(reference))} by docker cp`,
    ratio: rounded(ratio),
    ...most !== undefined && { target: `ratio ≤ ${most}`, isMet: ratio <= most },
    numbers: { ms: rounded(median(ours)), referenceMs: rounded(median(reference)), rounds: ours.length },
  };
}
