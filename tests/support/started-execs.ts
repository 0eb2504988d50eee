import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { LABELS } from "../../lib/build/labels.ts";
import { DOCKER_SOCKET } from "./step-context.ts";

/** Records, from the daemon's events, the commands that are started in an owner's containers. */
export interface StartedExecs extends AsyncDisposable {
  /** Returns the command lines that contain this text and were started in a run's containers. */
  of(run: string, text: string): string[];
}

/** Starts listening. */
export async function startedExecs(owner: string): Promise<StartedExecs> {
  const since = `${Math.floor(Date.now() / 1000)}`;
  const flags = ["--since", since, "--filter", `label=${LABELS.owner}=${owner}`, "--format", "{{json .}}"];
  const child = spawn("docker", ["-H", `unix://${DOCKER_SOCKET}`, "events", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child, "spawn");
  const started: { run: string; command: string }[] = [];
  createInterface(child.stdout).on("line", (line) => {
    const { Action: action, Actor: { Attributes: labels } } = JSON.parse(line);
    if (action.startsWith("exec_start: ")) started.push({ run: labels[LABELS.run], command: action });
  });
  const closed = once(child, "close");
  return {
    of: (run, text) =>
      started.flatMap((one) => one.run === run && one.command.includes(text) ? [one.command] : []),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.pid !== undefined) process.kill(child.pid, "SIGTERM");
      await closed;
    },
  };
}
