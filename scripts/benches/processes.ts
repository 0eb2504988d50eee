import { readFileSync } from "node:fs";

export interface Ended {
  /** Time from the process's start to its end. */
  readonly ms: number;
  /** Empty unless `output` was set. */
  readonly stdout: string;
  /** Peak resident memory, bytes; 0 unless `memory` was set. */
  readonly peakBytes: number;
}

export interface RunOptions {
  /** Whether to keep what it prints on stdout. */
  readonly output?: boolean;
  /** Whether to measure its memory, which costs a little. */
  readonly memory?: boolean;
}

const LOOK_MS = 20;

/** Runs a program to its end. Throws with its output unless it exits with 0. */
export async function runProcess(words: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { output = false, memory = false } = options;
  const began = performance.now();
  const child = Bun.spawn([...words], {
    stdin: "ignore",
    stdout: output ? "pipe" : "ignore",
    stderr: "pipe",
  });
  let peakBytes = 0;
  const look = () => peakBytes = Math.max(peakBytes, peakOf(child.pid));
  const timer = memory ? setInterval(look, LOOK_MS) : undefined;
  const said = Promise.all([child.stdout, child.stderr].map((stream) => new Response(stream).text()));
  const code = await child.exited;
  const ms = performance.now() - began;
  clearInterval(timer);
  const [stdout = "", stderr = ""] = await said;
  if (code !== 0) throw new Error(`${words.join(" ")} exited with ${code}: ${stderr}${stdout}`);
  return { ms, stdout, peakBytes };
}

/**
 * Returns the kernel's high-water mark of a process's memory, which misses no peak; 0 if the process is gone.
 */
function peakOf(pid: number): number {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Times several pieces of work in turns, so that a slow minute of the machine affects all of them. */
export async function alternate(
  rounds: number,
  work: readonly (() => Promise<number>)[],
): Promise<number[][]> {
  const times: number[][] = work.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, measure] of work.entries()) times[i]?.push(await measure());
  }
  return times;
}
