/** Finds what tests have left on the machine: files, mounts and processes. */
import { readdirSync, readFileSync } from "node:fs";

export interface LeftProcess {
  readonly pid: number;
  readonly command: string;
}

/** What is in a folder of temporary files. */
export const filesIn = (folder: string): string[] => readdirSync(folder);

/**
 * Processes whose environment names the folder for temporary files, or one in it, with all that descend from
 * them. Those that have ended and wait to be reaped do not count. Only Linux tells.
 */
export function processesWith(folder: string): LeftProcess[] {
  if (process.platform !== "linux") return [];
  const found = new Map<number, LeftProcess>();
  const others = readdirSync("/proc").map(Number).filter((pid) => pid > 0 && pid !== process.pid);
  const parents = new Map<number, number>();
  for (const pid of others) {
    const parent = parentOf(pid);
    if (parent === undefined) continue;
    parents.set(pid, parent);
    const environment = read(pid, "environ");
    if (environment.includes(`TMPDIR=${folder}\0`) || environment.includes(`TMPDIR=${folder}/`)) {
      found.set(pid, described(pid));
    }
  }
  for (let before = -1; before !== found.size;) {
    before = found.size;
    for (const [pid, parent] of parents) {
      if (found.has(parent) && !found.has(pid)) found.set(pid, described(pid));
    }
  }
  return [...found.values()];
}

/** What is mounted below a folder, the innermost first. */
export function mountsBelow(folder: string): string[] {
  if (process.platform !== "linux") return [];
  const points = readFileSync("/proc/self/mounts", "utf8").split("\n").map((line) =>
    line.split(" ")[1] ?? ""
  );
  return points.filter((point) => point.startsWith(`${folder}/`)).reverse();
}

/** Undefined for a process that has ended. */
function parentOf(pid: number): number | undefined {
  // After the name, which may be anything: state and parent.
  const [state, parent] = read(pid, "stat").split(") ").at(-1)?.split(" ") ?? [];
  return state === undefined || state === "Z" || state === "" ? undefined : Number(parent);
}

const described = (pid: number): LeftProcess => ({
  pid,
  command: read(pid, "cmdline").replaceAll("\0", " ").trim(),
});

function read(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1");
  } catch {
    return ""; // It has ended, or is another user's.
  }
}
