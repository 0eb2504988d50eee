/** Finds what tests have left on the machine: files and processes. */
import { readdirSync, readFileSync } from "node:fs";

/** What is in a folder of temporary files. */
export const filesIn = (folder: string): string[] => readdirSync(folder);

/** Processes whose environment names the folder for temporary files, by their ids. Only Linux tells. */
export function processesWith(folder: string): { pid: number; command: string }[] {
  if (process.platform !== "linux") return [];
  const others = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return others.flatMap((pid) => {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "latin1").includes(`TMPDIR=${folder}\0`)) return [];
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();
      return command === "" ? [] : [{ pid: Number(pid), command }];
    } catch {
      return []; // It has ended.
    }
  });
}
