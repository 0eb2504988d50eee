import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";

/**
 * Asserts that no file and no process in the container has the text. The search gets it on stdin, so as not
 * to find itself. A paused container runs during the search.
 */
export function assertUnknownIn(container: string, text: string): void {
  const docker = (...args: string[]): string =>
    execFileSync("docker", args, { encoding: "utf8", input: text, stdio: ["pipe", "pipe", "ignore"] });
  const search = (command: string) =>
    docker("exec", "-i", "--user", "0", container, "sh", "-c", `${command}; true`);
  const isPaused = docker("inspect", "--format", "{{.State.Paused}}", container).trim() === "true";
  if (isPaused) docker("unpause", container);
  try {
    assert.equal(search("grep -rlF -f - / --exclude-dir=proc --exclude-dir=sys"), "");
    assert.equal(search("grep -lF -f - /proc/[0-9]*/environ /proc/[0-9]*/cmdline"), "");
  } finally {
    if (isPaused) docker("pause", container);
  }
}
