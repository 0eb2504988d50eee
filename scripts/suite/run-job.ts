/** Runs one job's tests in a process, and ends it where a test does not come to an end. */
import { join } from "node:path";
import { commandOf, type Job } from "./jobs.ts";
import { paced, pacedNow } from "../../tests/support/pace.ts";
import { endedIn, runningIn } from "./progress.ts";

export interface JobEnd {
  readonly output: string;
  readonly code: number;
  readonly ms: number;
  /** Of the process and of all that it has waited for, on all cores together. */
  readonly cpuMs: number;
  /** Why it was ended, where it was. */
  readonly stuck: string | undefined;
}

/** Milliseconds of a machine as quick as that on which limits are chosen, with nothing beside. */
export interface JobLimits {
  /** What the runtime is told that a test may take, where it knows of such a limit. */
  readonly testMs: number;
  /**
   * How long nothing may come to its end: longer than `testMs`, so that the runtime's own limit comes first.
   */
  readonly stuckMs: number;
}

export interface RunningJob {
  readonly ended: Promise<JobEnd>;
  kill(): void;
}

const LOOK_MS = 500;

/**
 * Starts it. `clear` ends what its tests have started: whatever still holds its output when the process
 * itself is gone. It is called once the output has not ended by itself.
 */
export function startJob(
  job: Job,
  { cwd, env, limits, clear }: {
    cwd: string;
    env: Record<string, string | undefined>;
    limits: JobLimits;
    clear: () => Promise<void>;
  },
): RunningJob {
  const began = performance.now();
  const child = Bun.spawn(commandOf(job, paced(limits.testMs), join(cwd, ".tools/units")), {
    cwd,
    stdout: "pipe",
    stderr: "pipe",
    env,
  });
  // Apart, since a line of the one may come in the middle of a line of the other.
  const said = { stdout: "", stderr: "" };
  const lastEnd = { count: 0, at: began };
  const stuck: { why?: string } = {};
  let isKilled = false;
  const kill = () => {
    isKilled = true;
    child.kill("SIGKILL");
  };
  const look = setInterval(() => {
    const silentMs = performance.now() - lastEnd.at;
    if (stuck.why !== undefined || silentMs < paced(limits.stuckMs) || silentMs < pacedNow(limits.stuckMs)) {
      return;
    }
    stuck.why = `${runningIn(job, said.stdout + said.stderr)} has not ended within ${
      Math.round(silentMs / 1000)
    } s`;
    kill();
  }, LOOK_MS);
  const read = async (name: "stdout" | "stderr") => {
    const decoder = new TextDecoder();
    for await (const chunk of child[name]) {
      said[name] += decoder.decode(chunk, { stream: true });
      const count = endedIn(said.stdout) + endedIn(said.stderr);
      if (count > lastEnd.count) Object.assign(lastEnd, { count, at: performance.now() });
    }
  };
  const output = Promise.all([read("stdout"), read("stderr")]);
  const ended = async (): Promise<JobEnd> => {
    const code = await child.exited;
    clearInterval(look);
    const ms = performance.now() - began;
    // What a process that was killed has started holds its output.
    const isThrough = isKilled ? false : await Promise.race([
      output.then(() => true),
      Bun.sleep(paced(limits.stuckMs)).then(() => false),
    ]);
    if (!isThrough) await clear();
    await output;
    const cpuMs = Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000;
    return { output: said.stdout + said.stderr, code, ms, cpuMs, stuck: stuck.why };
  };
  return { ended: ended(), kill };
}
