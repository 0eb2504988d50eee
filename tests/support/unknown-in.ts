import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";

/**
 * Asserts that nothing in the container knows the text: no file, no process. It comes on stdin, so that the search has it
 * neither. A paused container goes on for the time of the search.
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
