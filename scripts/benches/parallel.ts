import { join } from "node:path";
import type { Bench } from "./bench.ts";
import { dockerObjects } from "./docker.ts";
import { formatMs, rounded } from "./numbers.ts";
import { runProcess } from "./processes.ts";
import { makeSmallRepository } from "./small-repository.ts";

const RUNS = 20;
/**
 * A command that fails if another run uses the same workspace: a foreign marker, or a second line in ours.
 */
const COMMAND = `
test ! -e marker
echo "$CONVEYOR_RUN" >>marker
make
test "$(cat marker)" = "$CONVEYOR_RUN"
echo "marker of $(cat marker)"`;

/** Many runs at once in one data folder, compared with the same runs in sequence. */
export const parallel: Bench = {
  name: "parallel",
  group: "spine",
  async measure({ folder, program, image, say }) {
    const repository = await makeSmallRepository(folder);
    const words = [
      "run",
      "--json",
      "--image",
      image,
      "-c",
      COMMAND,
      "--data",
      join(folder, "data"),
      repository,
    ];
    const build = async () => checkRun((await runProcess([program, ...words], { output: true })).stdout);
    await build();
    const before = await dockerObjects();
    say(`${RUNS} builds in a row`);
    const inRow = await timed(async () => {
      for (let i = 0; i < RUNS; i++) await build();
    });
    say(`${RUNS} builds at once`);
    const atOnce = await timed(() => Promise.all(Array.from({ length: RUNS }, build)));
    const after = await dockerObjects();
    const changed = [...before, ...after].filter((object) => before.has(object) !== after.has(object));
    for (const object of changed) say(`${after.has(object) ? "New" : "Gone"} on the daemon: ${object}`);
    const ratio = atOnce / inRow;
    return [{
      what: `${RUNS} runs at once, each with a marker of its own, Docker's lists ${
        changed.length === 0 ? "unchanged" : "changed"
      }`,
      ours: formatMs(atOnce),
      reference: `${formatMs(inRow)} in a row`,
      ratio: rounded(ratio),
      target: "all right, lists unchanged",
      isMet: changed.length === 0,
      numbers: { ms: rounded(atOnce), referenceMs: rounded(inRow), changedObjects: changed.length },
    }];
  },
};

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Throws unless the run's log has exactly one line with the marker, with the run's own id. */
function checkRun(stdout: string): void {
  const events = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const { run, outcome } = events.at(-1);
  const markers = events.filter(({ message }) => /^marker of /.test(message ?? ""));
  if (outcome === "succeeded" && markers.length === 1 && markers[0].message === `marker of ${run}`) return;
  throw new Error(`Run ${run} ${outcome} with the markers ${JSON.stringify(markers)}`);
}
