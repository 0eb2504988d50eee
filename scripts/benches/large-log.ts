import { join } from "node:path";
import type { Bench } from "./bench.ts";
import { formatMs, rounded } from "./numbers.ts";
import { runProcess } from "./processes.ts";
import { makeSmallRepository } from "./small-repository.ts";

const MIB = 1024 ** 2;
/** Includes the newline. */
const LINE_BYTES = 80;
const SIZES = [MIB, 128 * MIB, 1024 * MIB];
/** A log of an eighth of the size, for comparison: memory must be about the same. */
const MOST = 1.2;

/** A log of 1 GiB: memory must not grow with the log. */
export const largeLog: Bench = {
  name: "large-log",
  group: "everyday",
  async measure({ folder, program, image, say }) {
    const repository = await makeSmallRepository(folder);
    const peaks: number[] = [];
    let ms = 0;
    for (const bytes of SIZES) {
      say(`a log of ${bytes / MIB} MiB`);
      const command = `seq -f %0${LINE_BYTES - 1}.0f 1 ${Math.floor(bytes / LINE_BYTES)}`;
      const words = [
        "--image",
        image,
        "--network",
        "none",
        "--max-log",
        "2g",
        "--data",
        join(folder, "data"),
      ];
      const ended = await runProcess([program, "run", "--quiet", ...words, "-c", command, repository], {
        memory: true,
      });
      peaks.push(ended.peakBytes);
      ms = ended.ms;
    }
    const [small = NaN, middle = NaN, large = NaN] = peaks;
    const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;
    return [{
      what: `a log of 1 GiB in lines of ${LINE_BYTES} bytes: ${formatMs(ms)}, memory`,
      ours: `${mib(large)} resident`,
      reference: `${mib(small)} with 1 MiB, ${mib(middle)} with 128 MiB`,
      ratio: rounded(large / middle),
      target: `ratio to 128 MiB ≤ ${MOST}`,
      isMet: large / middle <= MOST,
      numbers: { ms: rounded(ms), smallPeakBytes: small, middlePeakBytes: middle, peakBytes: large },
    }];
  },
};
