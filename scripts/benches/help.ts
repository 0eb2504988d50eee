import type { Bench } from "./bench.ts";
import { formatMs, median, rounded } from "./numbers.ts";
import { alternate, runProcess } from "./processes.ts";

const ROUNDS = 15;
const WARM_UP = 2;
const TARGET_MS = 80;

/** The delay before anything that a person types is answered. */
export const help: Bench = {
  name: "help",
  group: "spine",
  async measure({ program }) {
    const work = [async () => (await runProcess([program, "--help"])).ms];
    await alternate(WARM_UP, work);
    const [ms = []] = await alternate(ROUNDS, work);
    return [{
      what: "flutter-ci --help, from source on Bun",
      ours: formatMs(median(ms)),
      target: `≤ ${TARGET_MS} ms`,
      isMet: median(ms) <= TARGET_MS,
      numbers: { ms: rounded(median(ms)), fastestMs: rounded(Math.min(...ms)), rounds: ROUNDS },
    }];
  },
};
