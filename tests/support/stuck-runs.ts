import { randomBytes } from "node:crypto";
import { imageWithScript } from "./derived-image.ts";
import { leavesNothing } from "./left-as-it-was.ts";
import { startRegistry } from "./registry.ts";
import { began, makePlace, type Place, type StartedRun, startRun } from "./start-run.ts";
import { TEST_IMAGE } from "./step-context.ts";

/** A shell line whose process ignores TERM, as does what it starts and lets go of, which holds its output open. */
export const STUBBORN = `trap '' TERM; (setsid sh -c 'while :; do sleep 1; done' &); echo stubborn >&2`;
/** As stubborn, and goes on for ever. */
export const NEVER_ENDS = `${STUBBORN}; while :; do sleep 1; done`;

/** A run that gets stuck in one of its steps. */
export interface StuckRun {
  readonly step: string;
  readonly run: StartedRun;
  /** Resolves when it is. */
  readonly stuck: Promise<unknown>;
}

export interface StuckImages {
  readonly whole: string;
  /** One whose git is `NEVER_ENDS`. */
  readonly stubbornGit: string;
  /** One that is not here, and whose pull does not come to its end: `stalled` resolves when that is so. */
  readonly missing: string;
  readonly stalled: Promise<void>;
}

/**
 * Starts four runs, each of which gets stuck in another step: in a pull, in git, in a command, and in ending the process
 * that a command has left behind. The pull is first: a daemon that makes sandboxes meanwhile may lose its way to the
 * registry in one of them.
 */
export async function startStuckRuns(
  place: Place,
  { whole, stubbornGit, missing, stalled }: StuckImages,
  flags: (step: string) => readonly string[],
): Promise<StuckRun[]> {
  const start = (step: string, image: string, command: string) =>
    startRun(place, [...flags(step), "-c", command], { data: step, image });
  const pull = start("container-start", missing, "echo");
  await pull.before(stalled);
  const clone = start("git-cloner", stubbornGit, "echo");
  const build = start("builder", whole, NEVER_ENDS);
  const stop = start("container-stop", whole, STUBBORN);
  return [
    { step: "container-start", run: pull, stuck: stalled },
    { step: "git-cloner", run: clone, stuck: clone.line("stubborn") },
    { step: "builder", run: build, stuck: build.line("stubborn") },
    { step: "container-stop", run: stop, stuck: stop.event(began("container-stop")) },
  ];
}

/** A run has ended before it got stuck in its step. */
export class NotStuck extends Error {}

/** Works with four runs at once, each as soon as it is stuck in its step. In the end they have left nothing. */
export async function stuckInEveryStep(
  flags: (step: string) => readonly string[],
  work: (stuck: StuckRun) => Promise<void>,
): Promise<void> {
  await using registry = await startRegistry(randomBytes(1024 * 1024));
  using stubbornGit = imageWithScript("/usr/bin/git", NEVER_ENDS);
  await using place = await makePlace();
  const images = {
    whole: TEST_IMAGE,
    stubbornGit: stubbornGit.name,
    missing: registry.image,
    stalled: registry.stalled,
  };
  await leavesNothing(place, async () => {
    const runs = await startStuckRuns(place, images, flags);
    await Promise.all(runs.map(async (run) => {
      await run.stuck.catch((cause) => {
        throw new NotStuck(`The run that is to be stuck in ${run.step} has ended before`, { cause });
      });
      await work(run);
    }));
  });
}
