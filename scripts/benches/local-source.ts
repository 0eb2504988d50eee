import { join } from "node:path";
import { resolveCommit } from "../../lib/build/git/local/resolve-commit.ts";
import { openLocalSource } from "../../lib/build/git/local-source.ts";
import { RECEIVE } from "../../lib/build/git/receive-script.ts";
import { sourceStream } from "../../lib/build/git/source-stream.ts";
import type { Bench, Figure } from "./bench.ts";
import { docker } from "./docker.ts";
import { importHistory } from "./long-history.ts";
import { formatMs, median, rounded } from "./numbers.ts";
import { alternate, runProcess } from "./processes.ts";
import { makeSmallRepository } from "./small-repository.ts";

const ROUNDS = 15;
const LONG_ROUNDS = 5;
const NAME = "conveyor-bench-local-source";
const COMMITS = 4000;

/**
 * Sending a local repository into a container, compared with sending its whole git folder and cloning from it
 * there.
 */
export const localSource: Bench = {
  name: "local-source",
  group: "spine",
  async measure({ folder, image, say }) {
    const small = await makeSmallRepository(folder);
    const large = join(folder, "history");
    say(`a history of ${COMMITS} commits`);
    await importHistory(large, COMMITS);
    const idle = ["--network", "none", "--entrypoint", "sleep", image, "infinity"];
    await docker("run", "--detach", "--name", NAME, ...idle);
    try {
      const figures: Figure[] = [];
      const kinds = [
        { what: "small repository", path: small, depth: 1, rounds: ROUNDS },
        { what: "long history", path: large, depth: 1, rounds: LONG_ROUNDS },
        { what: "long history", path: large, depth: 0, rounds: LONG_ROUNDS },
      ];
      for (const { what, path, depth, rounds } of kinds) {
        say(`${rounds} times a ${what} at depth ${depth}, in turns`);
        const work = [() => byArchive(path, depth), () => bySourceStream(path, depth)];
        await alternate(1, work);
        const [reference = [], ours = []] = await alternate(rounds, work);
        figures.push(figureOf(what, depth, { ours, reference }));
      }
      return figures;
    } finally {
      await docker("rm", "--force", "--volumes", NAME);
    }
  },
};

const empty = () => docker("exec", NAME, "sh", "-c", "rm -rf /checkout /source; mkdir /checkout /source");
const inside = (script: string) => ["docker", "exec", "--interactive", NAME, "sh", "-c", script];

/** The reference: sends everything, and clones from it in the container. */
async function byArchive(path: string, depth: number): Promise<number> {
  const shallow = depth === 0 ? "" : `--depth=${depth}`;
  const clone =
    `git clone --quiet --no-checkout ${shallow} file:///source/.git . && git checkout --quiet --force HEAD --`;
  await empty();
  const words = inside(`cd /checkout; tar -xf - -C /source && ${clone}`).map((word) => `'${word}'`).join(" ");
  return (await runProcess(["sh", "-c", `tar -cf - -C '${path}' .git | ${words}`])).ms;
}

async function bySourceStream(path: string, depth: number): Promise<number> {
  await empty();
  const began = performance.now();
  const source = await openLocalSource(path, { environment: {} });
  const pinned = resolveCommit(source, undefined);
  if (!pinned) throw new Error(`"${path}" has no commit`);
  const script =
    `cd /checkout\n${RECEIVE}\ncommit=; receive && git checkout --quiet --force \${commit:-HEAD} --`;
  const child = Bun.spawn(inside(script), { stdin: "pipe", stdout: "ignore", stderr: "pipe" });
  for await (const chunk of sourceStream(source, { pinned, depth, signal: new AbortController().signal })) {
    child.stdin.write(chunk);
    await child.stdin.flush();
  }
  await child.stdin.end();
  if (await child.exited !== 0) throw new Error(await new Response(child.stderr).text());
  return performance.now() - began;
}

function figureOf(
  what: string,
  depth: number,
  { ours, reference }: { ours: readonly number[]; reference: readonly number[] },
): Figure {
  const ratio = median(ours) / median(reference);
  return {
    what: `local repository into a container: ${what}, depth ${depth === 0 ? "all" : depth}`,
    ours: formatMs(median(ours)),
    reference: `${formatMs(median(reference))} by its whole git folder`,
    ratio: rounded(ratio),
    // With the whole history both send the same, except objects that no commit reaches.
    ...depth !== 0 && { target: "ratio ≤ 1.0", isMet: ratio <= 1 },
    numbers: { ms: rounded(median(ours)), referenceMs: rounded(median(reference)), rounds: ours.length },
  };
}
