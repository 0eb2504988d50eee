import { type ChildProcess, spawn } from "node:child_process";

/**
 * Work beside the tests. Each loop looks whether its parent is there, so that it ends with it, whatever ends
 * that.
 */
const LOOP = 'while kill -0 "$PPID" 2>/dev/null; do :; done';

/** Starts so many processes that do nothing but keep a core busy. Dispose ends them. */
export function busyLoops(count: number): Disposable {
  const loops: ChildProcess[] = [];
  for (let i = 0; i < count; i++) loops.push(spawn("sh", ["-c", LOOP], { stdio: "ignore" }));
  return {
    [Symbol.dispose]() {
      for (const loop of loops) loop.kill("SIGKILL");
    },
  };
}
