import { join } from "node:path";
import type { Bench, Figure, Place } from "./bench.ts";
import { formatMs, median, rounded } from "./numbers.ts";
import { makeSmallRepository } from "./small-repository.ts";

const ROUNDS = 5;
const GRACE_MS = 1000;
const CANCELLED = 130;

/** From Ctrl-C to the end of the program, with the container removed. */
export const cancel: Bench = {
  name: "cancel",
  group: "everyday",
  async measure(place) {
    const repository = await makeSmallRepository(place.folder);
    const kinds = [
      { what: "a process that ends by SIGTERM", command: "echo ready; exec sleep 1000", most: 500 },
      {
        what: `a process that ignores SIGTERM, grace ${formatMs(GRACE_MS)}`,
        command: "trap '' TERM; echo ready; while :; do sleep 1000; done",
        most: GRACE_MS + 1000,
      },
    ];
    const figures: Figure[] = [];
    for (const { what, command, most } of kinds) {
      place.say(`${ROUNDS} times ${what}`);
      const times: number[] = [];
      for (let round = 0; round < ROUNDS; round++) times.push(await cancelMs(place, command, repository));
      const ms = median(times);
      figures.push({
        what: `Ctrl-C to the end, ${what}`,
        ours: formatMs(ms),
        target: `≤ ${formatMs(most)}`,
        isMet: ms <= most,
        numbers: { ms: rounded(ms), fastestMs: rounded(Math.min(...times)), rounds: ROUNDS },
      });
    }
    return figures;
  },
};

async function cancelMs(
  { folder, program, image }: Place,
  command: string,
  repository: string,
): Promise<number> {
  const words = [
    "--image",
    image,
    "--network",
    "none",
    "--grace",
    `${GRACE_MS}ms`,
    "--data",
    join(folder, "data"),
  ];
  const child = Bun.spawn([program, "run", ...words, "-c", command, repository], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  let [text, began] = ["", 0];
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (began > 0 || !/^ready$/m.test(text)) continue;
    began = performance.now();
    child.kill("SIGINT");
  }
  const code = await child.exited;
  if (code !== CANCELLED) throw new Error(`The run exited with ${code}, expected ${CANCELLED}: ${text}`);
  return performance.now() - began;
}
