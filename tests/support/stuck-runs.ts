import { randomBytes } from "node:crypto";
import { imageWithScript } from "./derived-image.ts";
import { leavesNothing } from "./left-as-it-was.ts";
import { startRegistry } from "./registry.ts";
import { began, makePlace, type Place, type StartedRun, startRun } from "./start-run.ts";
import { TEST_IMAGE } from "./step-context.ts";

/** A shell line that ignores TERM, and starts a detached process that does too and holds the output open. */
export const STUBBORN = `trap '' TERM; (setsid sh -c 'while :; do sleep 1; done' &); echo stubborn >&2`;
/** As `STUBBORN`, and never ends. */
export const NEVER_ENDS = `${STUBBORN}; while :; do sleep 1; done`;

/** A run that gets stuck in one of its steps. */
export interface StuckRun {
  readonly step: string;
  readonly run: StartedRun;
  /** Resolves once it is stuck. */
  readonly stuck: Promise<unknown>;
}

export interface StuckImages {
  readonly whole: string;
  /** An image whose git is `NEVER_ENDS`. */
  readonly stubbornGit: string;
  /** An image that is not here and whose pull never ends. `stalled` resolves once the pull is stuck. */
  readonly missing: string;
  readonly stalled: Promise<void>;
}

/**
 * Starts four runs that get stuck: in a pull, in git, in a command, and in ending a process that a command
 * has left. The pull comes first: a daemon that creates sandboxes at the same time may connect to the
 * registry from inside one.
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

/** A run ended before it got stuck. */
export class NotStuck extends Error {}

/** Calls `work` with four runs at once, each once it is stuck. Asserts that they leave nothing. */
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
