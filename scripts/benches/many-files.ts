import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { clone } from "../../lib/build/git/clone.ts";
import { planBuild } from "../../lib/build/plan.ts";
import { testPolicy, testSettings } from "../../tests/support/settings.ts";
import { stepContext, testDocker } from "../../tests/support/step-context.ts";
import type { Bench } from "./bench.ts";
import { docker } from "./docker.ts";
import { formatMs, rounded } from "./numbers.ts";
import { alternate, runProcess } from "./processes.ts";

const FILES = 100_000;
const IN_A_FOLDER = 100;
const ROUNDS = 5;
const MOST = 1.3;
const NAME = "conveyor-bench-many-files";

/**
 * Checking out a local repository of many files in a container, compared with copying its git folder and `git
 * clone` there.
 *
 * The workspace is in memory. On a disk, creating and removing the files takes many times as long on either
 * side and varies by far more than the two differ: ext4 for example does not reuse the inodes of removed
 * files for minutes, and looks at all of them for each new file.
 */
export const manyFiles: Bench = {
  name: "many-files",
  group: "everyday",
  async measure({ folder, image, say }) {
    say(`a repository of ${FILES} files`);
    const repository = await importFiles(join(folder, "repository"));
    say(`${ROUNDS} checkouts each way, in turns`);
    const label = ["--label", `conveyor.bench=${NAME}`];
    await docker(
      ...[
        "run",
        "--detach",
        "--init",
        "--name",
        NAME,
        ...label,
        "--workdir",
        "/workspace",
        "--network",
        "none",
      ],
      ...["--mount", "type=volume,target=/workspace,volume-opt=type=tmpfs,volume-opt=device=tmpfs"],
      ...[image, "sleep", "2147483647"],
    );
    try {
      await using daemon = testDocker();
      const [reference = [], ours = []] = await alternate(ROUNDS, [
        () => copyAndClone(repository),
        () => cloneStep(daemon, { image, repository }),
      ]);
      // Other work on the machine only ever adds to a time: take the fastest of each.
      const [ms, referenceMs] = [Math.min(...ours), Math.min(...reference)];
      const ratio = ms / referenceMs;
      return [{
        what: `local repository of ${FILES} files, uploaded and checked out`,
        ours: formatMs(ms),
        reference: `${formatMs(referenceMs)} by docker cp and git clone`,
        ratio: rounded(ratio),
        target: `ratio ≤ ${MOST}`,
        isMet: ratio <= MOST,
        numbers: { ms: rounded(ms), referenceMs: rounded(referenceMs), rounds: ROUNDS },
      }];
    } finally {
      await docker("rm", "--force", "--volumes", NAME);
    }
  },
};

async function importFiles(path: string): Promise<string> {
  mkdirSync(path);
  await runProcess(["git", "-C", path, "init", "--quiet", "--initial-branch=main"]);
  const child = Bun.spawn(["git", "-C", path, "fast-import", "--quiet"], { stdin: "pipe" });
  child.stdin.write(
    "commit refs/heads/main\ncommitter bench <bench@localhost> 1700000000 +0000\ndata 1\n.\n",
  );
  for (let i = 0; i < FILES; i++) {
    const text = `The content of file ${i}\n`.repeat(20);
    child.stdin.write(
      `M 644 inline part${Math.floor(i / IN_A_FOLDER)}/file${i}\ndata ${text.length}\n${text}\n`,
    );
    if (i % 1000 === 0) await child.stdin.flush();
  }
  await child.stdin.end();
  if (await child.exited !== 0) throw new Error("git fast-import failed");
  return path;
}

const empty = () =>
  docker("exec", NAME, "sh", "-c", "rm -rf /source && mkdir /source && find . -mindepth 1 -delete");

async function copyAndClone(repository: string): Promise<number> {
  await empty();
  const began = performance.now();
  await docker("cp", join(repository, ".git"), `${NAME}:/source/.git`);
  await docker("exec", NAME, "git", "clone", "--quiet", "/source", ".");
  return performance.now() - began;
}

async function cloneStep(
  daemon: ReturnType<typeof testDocker>,
  spec: { image: string; repository: string },
): Promise<number> {
  await empty();
  const container = await daemon.inspect(NAME);
  if (!container) throw new Error(`The container ${NAME} is gone`);
  const settings = testSettings();
  const context = stepContext(daemon, spec, { settings });
  const began = performance.now();
  await clone(context, container, planBuild(spec, { ...settings, ...testPolicy() }));
  return performance.now() - began;
}
