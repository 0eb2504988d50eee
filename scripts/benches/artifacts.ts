import { rmSync } from "node:fs";
import { join } from "node:path";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { collectArtifacts } from "../../lib/build/artifacts/collect.ts";
import { planBuild } from "../../lib/build/plan.ts";
import { saveArtifacts } from "../../lib/cli/shared/save-artifacts.ts";
import { testPolicy, testSettings } from "../../tests/support/settings.ts";
import { stepContext, testDocker } from "../../tests/support/step-context.ts";
import type { Bench, Figure } from "./bench.ts";
import { docker } from "./docker.ts";
import { formatMs, median, rounded } from "./numbers.ts";
import { alternate } from "./processes.ts";

const FILES = 2000;
const ROUNDS = 9;
const NAME = "conveyor-bench-artifacts";
const MAKE = `mkdir d; for i in $(seq ${FILES}); do echo $i >d/$i; done`;

/** Many small files, from a container through the store into a folder, against a copy of their folder by docker's command line. */
export const artifacts: Bench = {
  name: "artifacts",
  group: "spine",
  async measure({ folder, image, say }) {
    await docker(
      "run",
      "--detach",
      "--init",
      "--name",
      NAME,
      "--volume",
      "/workspace",
      image,
      "sleep",
      "2147483647",
    );
    try {
      await docker("exec", "--workdir", "/workspace", NAME, "sh", "-ec", MAKE);
      await using embedded = await openEmbedded({ folder: join(folder, "data"), scope: "bench" });
      await using daemon = testDocker();
      const timed = (work: () => Promise<unknown>) => async () => {
        const began = performance.now();
        await work();
        return performance.now() - began;
      };
      const ours = timed(async () => {
        const spec = { image, repository: ".", commands: ["true"], artifacts: ["d"] };
        const { transport, store } = embedded;
        const context = stepContext(daemon, spec);
        const { run } = context;
        const container = await daemon.inspect(NAME);
        if (!container) throw new Error(`The container ${NAME} is gone`);
        const keeping = { ...context, putArtifact: transport.putBlob.bind(transport, run) };
        await collectArtifacts(keeping, container, planBuild(spec, { ...testSettings(), ...testPolicy() }));
        await saveArtifacts(store.artifacts, run, join(folder, run));
      });
      const byDocker = timed(async () => {
        const target = join(folder, "copied");
        rmSync(target, { recursive: true, force: true });
        await docker("cp", `${NAME}:/workspace/d`, target);
      });
      say(`${ROUNDS} times ${FILES} files, in turns with docker cp`);
      await alternate(1, [byDocker, ours]);
      const [reference = [], ms = []] = await alternate(ROUNDS, [byDocker, ours]);
      return [figureOf(ms, reference)];
    } finally {
      await docker("rm", "--force", "--volumes", NAME);
    }
  },
};

function figureOf(ms: readonly number[], reference: readonly number[]): Figure {
  const ratio = median(ms) / median(reference);
  return {
    what: `${FILES} artifacts of some bytes, kept and saved`,
    ours: formatMs(median(ms)),
    reference: `${formatMs(median(reference))} by docker cp of the folder`,
    ratio: rounded(ratio),
    target: "ratio ≤ 3",
    isMet: ratio <= 3,
    numbers: {
      ms: rounded(median(ms)),
      referenceMs: rounded(median(reference)),
      files: FILES,
      rounds: ms.length,
    },
  };
}
