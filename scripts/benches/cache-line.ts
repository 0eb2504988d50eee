import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { build } from "../../tests/build/build.ts";
import type { Bench, Figure, Place } from "./bench.ts";
import { formatMs, median, rounded } from "./numbers.ts";

const UNUSED_LINE_MS = 20;
const ROUNDS = 30;
const WARM_UP = 3;

/** The cost of a cache that stays empty. */
export const cacheLine: Bench = {
  name: "cache-line",
  group: "everyday",
  measure: async (place) => [await unusedLine(place)],
};

/** The cost of an empty cache: the steps that make and remove containers, with and without it. */
async function unusedLine({ image, say }: Place): Promise<Figure> {
  say(`${ROUNDS} containers with and without a cache, in turns`);
  const times: number[][] = [[], []];
  const kinds = [[], [{ name: "unused", path: "/var/cache/unused" }]];
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    // Each kind is first in half of the rounds.
    for (const i of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const cache = kinds[i];
      let ms = 0;
      await build({ image, cache, network: "none" }, async ({ step }) => {
        for (const driver of [containerStart, containerStop]) {
          const began = performance.now();
          const { failure } = await step(driver);
          ms += performance.now() - began;
          if (failure) throw failure;
        }
      });
      if (round >= 0) times[i]?.push(ms);
    }
  }
  const [without = [], withOne = []] = times;
  const moreMs = median(withOne.map((ms, i) => ms - (without[i] ?? NaN)));
  return {
    what: "a run with a cache that nothing uses, start and stop of its container",
    ours: formatMs(median(withOne)),
    reference: `${formatMs(median(without))} without`,
    target: `≤ ${UNUSED_LINE_MS} ms more`,
    isMet: moreMs <= UNUSED_LINE_MS,
    numbers: {
      ms: rounded(median(withOne)),
      withoutMs: rounded(median(without)),
      moreMs: rounded(moreMs),
      rounds: ROUNDS,
    },
  };
}
