import type { ChildProcess } from "node:child_process";

/**
 * Sends a signal to a child; one that has ended is passed over. Deno's `child.kill` is not used: it works once, and
 * afterwards the child says that this signal ended it, however it ended.
 */
export function signalChild(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(child.pid, signal);
  } catch (error) {
    // It has ended, and its exit is not known here yet.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
