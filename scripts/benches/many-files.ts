import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { build } from "../../tests/build/build.ts";
import type { Bench, Place } from "./bench.ts";
import { containerWords, docker } from "./docker.ts";
import { formatMs, rounded } from "./numbers.ts";
import { alternate, runProcess } from "./processes.ts";

const FILES = 100_000;
const IN_A_FOLDER = 100;
const ROUNDS = 3;
const MOST = 1.3;
const NAME = "conveyor-bench-many-files";

/**
 * Checking out a local repository of many files in a container, compared with copying its git folder and `git
 * clone` there.
 */
export const manyFiles: Bench = {
  name: "many-files",
  group: "everyday",
  async measure(place) {
    const { folder, say } = place;
    say(`a repository of ${FILES} files`);
    const repository = await importFiles(join(folder, "repository"));
    say(`${ROUNDS} checkouts each way, in turns`);
    const [reference = [], ours = []] = await alternate(ROUNDS, [
      () => copyAndClone(place, repository),
      () => cloneStep(place, repository),
    ]);
    // Nearly all of the time is the kernel creating files, which doubles on a busy disk: take the fastest of
    // each.
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
  },
};

async function importFiles(path: string): Promise<string> {
  mkdirSync(path);
  const git = (...words: string[]) => runProcess(["git", "-C", path, ...words]);
  await git("init", "--quiet", "--initial-branch=main");
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
  await git("reset", "--quiet", "--hard");
  return path;
}

async function copyAndClone({ image }: Place, repository: string): Promise<number> {
  await docker(...await containerWords(image, NAME, "none"));
  try {
    const began = performance.now();
    await docker("exec", NAME, "mkdir", "/source");
    await docker("cp", join(repository, ".git"), `${NAME}:/source/.git`);
    await docker("exec", NAME, "git", "clone", "--quiet", "/source", ".");
    return performance.now() - began;
  } finally {
    await docker("rm", "--force", "--volumes", NAME);
  }
}

async function cloneStep({ image }: Place, repository: string): Promise<number> {
  let ms = 0;
  await build({ image, repository, network: "none" }, async ({ step }) => {
    await step(containerStart);
    const began = performance.now();
    const { result, failure } = await step(gitCloner);
    ms = performance.now() - began;
    if (failure || !result) throw failure;
    await step(containerStop);
  });
  return ms;
}
