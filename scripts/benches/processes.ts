import { readFileSync } from "node:fs";

export interface Ended {
  /** From the process's start to its end. */
  readonly ms: number;
  /** Empty unless it was kept. */
  readonly stdout: string;
  /** The most memory that it ever had resident, bytes; 0 unless it was looked at. */
  readonly peakBytes: number;
}

export interface RunOptions {
  /** Whether to keep what it prints on stdout. */
  readonly output?: boolean;
  /** Whether to look at its memory, which costs a little. */
  readonly memory?: boolean;
}

const LOOK_MS = 20;

/** Runs a program to its end. Throws with what it said where it does not exit with 0. */
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

/** The kernel's own high-water mark, so that no peak between two looks is missed; 0 where it is gone. */
function peakOf(pid: number): number {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The times of each of several pieces of work, taken in turns, so that a slow minute of the machine is everybody's. */
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
