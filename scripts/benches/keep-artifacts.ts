import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { collectArtifacts } from "../../lib/build/artifacts/collect.ts";
import { planBuild } from "../../lib/build/plan.ts";
import { saveArtifacts } from "../../lib/cli/shared/save-artifacts.ts";
import { testPolicy, testSettings } from "../../tests/support/settings.ts";
import { stepContext, testDocker } from "../../tests/support/step-context.ts";
import type { Place } from "./bench.ts";
import { docker } from "./docker.ts";
import { alternate } from "./processes.ts";

export interface Files {
  /** The container's image. */
  readonly name: string;
  /** A shell script that makes the file or folder in the workspace. */
  readonly make: string;
  readonly path: string;
  /** The number of artifacts. */
  readonly count: number;
  readonly rounds: number;
  /** Whether to run both once before measuring. */
  readonly isWarm: boolean;
}

/**
 * Times artifacts from a container through the store into a folder, and `docker cp` of the same files, in
 * turns.
 */
export async function keepArtifacts(
  { folder, image, say }: Place,
  { name, make, path, count, rounds, isWarm }: Files,
): Promise<{ ours: number[]; reference: number[] }> {
  const label = ["--label", `conveyor.bench=${name}`];
  const isOne = count === 1;
  const inMemory = isOne ? "" : ",volume-opt=type=tmpfs,volume-opt=device=tmpfs";
  await docker(
    ...["run", "--detach", "--init", "--name", name, ...label],
    ...["--mount", `type=volume,target=/workspace${inMemory}`, image, "sleep", "2147483647"],
  );
  // ext4 does not reuse the inodes of removed files for minutes, and looks at all of them for each new file:
  // what one way has made and removed would make the next one several times as slow.
  const leftovers: string[] = [];
  const remove = (path: string) => isOne ? rmSync(path, { recursive: true }) : void leftovers.push(path);
  try {
    await docker("exec", "--workdir", "/workspace", name, "sh", "-ec", make);
    await using embedded = await openEmbedded({ folder: join(folder, `data-${name}`), scope: "bench" });
    await using daemon = testDocker();
    const ours = async () => {
      const spec = { image, repository: ".", commands: ["true"], artifacts: [path] };
      const { transport, store } = embedded;
      // The list of artifacts may be an artifact too.
      const settings = testSettings({ maxArtifactFiles: count + 1 });
      const context = stepContext(daemon, spec, { settings });
      const { run } = context;
      const container = await daemon.inspect(name);
      if (!container) throw new Error(`The container ${name} is gone`);
      const keeping = { ...context, putArtifact: transport.putBlob.bind(transport, run) };
      await collectArtifacts(keeping, container, planBuild(spec, { ...settings, ...testPolicy() }));
      const target = join(folder, run);
      const saved = await saveArtifacts(store.artifacts, run, target);
      if (saved < count) throw new Error(`${saved} artifacts were saved, expected ${count}`);
      return () => remove(target);
    };
    const byDocker = async () => {
      const copied = join(folder, `copied-${randomUUID()}`);
      await docker("cp", `${name}:/workspace/${path}`, copied);
      return () => remove(copied);
    };
    say(`${rounds} times ${count} files, in turns with docker cp`);
    const work = [byDocker, ours].map(timed);
    if (isWarm) await alternate(1, work);
    const [reference = [], ms = []] = await alternate(rounds, work);
    return { ours: ms, reference };
  } finally {
    await docker("rm", "--force", "--volumes", name);
    leftovers.push(join(folder, `data-${name}`));
    leftovers.forEach((path) => rmSync(path, { recursive: true, force: true }));
  }
}

/** Returns how long `work` takes, without the removal of what it has made. */
const timed = (work: () => Promise<() => void>) => async () => {
  const began = performance.now();
  const remove = await work();
  const ms = performance.now() - began;
  remove();
  return ms;
};
