import type { ChildProcess } from "node:child_process";

/**
 * Sends a signal to a child, unless it has ended. Does not use Deno's `child.kill`: it works only once, and
 * the child then reports that signal however it ended.
 */
export function signalChild(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(child.pid, signal);
  } catch (error) {
    // It has ended, but its exit event has not arrived yet.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
