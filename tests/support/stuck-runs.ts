import { randomBytes } from "node:crypto";
import { imageWithScript } from "./derived-image.ts";
import { leftAsItWas } from "./left-as-it-was.ts";
import { startRegistry } from "./registry.ts";
import { began, makePlace, type StartedRun, startRun } from "./start-run.ts";

/** A shell line whose process ignores TERM, as does what it starts and lets go of, which holds its output open. */
export const STUBBORN = `trap '' TERM; (setsid sh -c 'while :; do sleep 1; done' &); echo stubborn >&2`;
/** As stubborn, and goes on for ever. */
export const NEVER_ENDS = `${STUBBORN}; while :; do sleep 1; done`;

/** A run that is stuck in one of its steps. */
export interface StuckRun {
  readonly step: string;
  readonly run: StartedRun;
}

/**
 * Works with four runs at once, as soon as each is stuck in another step: in a pull that does not come to its end, a git
 * that is stubborn, a command that is, and in ending the process that a command has left behind.
 */
export async function stuckInEveryStep(
  flags: (step: string) => string[],
  work: (stuck: StuckRun) => Promise<void>,
): Promise<void> {
  await using place = await makePlace();
  await using registry = await startRegistry(randomBytes(1024 * 1024));
  using stubbornGit = imageWithScript("/usr/bin/git", NEVER_ENDS);
  const start = (step: string, command: string, image?: string) =>
    startRun(place, [...flags(step), "-c", command], { data: step, ...(image !== undefined && { image }) });
  await leftAsItWas(async () => {
    const runs: [string, StartedRun, (run: StartedRun) => Promise<unknown>][] = [
      ["container-start", start("container-start", "make", registry.image), () => registry.stalled],
      ["git-cloner", start("git-cloner", "make", stubbornGit.name), (run) => run.line("stubborn")],
      ["builder", start("builder", NEVER_ENDS), (run) => run.line("stubborn")],
      ["container-stop", start("container-stop", STUBBORN), (run) => run.event(began("container-stop"))],
    ];
    await Promise.all(runs.map(async ([step, run, stuck]) => {
      await stuck(run);
      await work({ step, run });
    }));
  });
}
