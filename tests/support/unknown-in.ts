import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";

/** Asserts that nothing in the container knows the text: no file, no process. It comes on stdin, so that the search has it neither. */
export function assertUnknownIn(container: string, text: string): void {
  const search = (command: string) =>
    execFileSync("docker", ["exec", "-i", "--user", "0", container, "sh", "-c", `${command}; true`], {
      encoding: "utf8",
      input: text,
      stdio: ["pipe", "pipe", "ignore"],
    });
  assert.equal(search("grep -rlF -f - / --exclude-dir=proc --exclude-dir=sys"), "");
  assert.equal(search("grep -lF -f - /proc/[0-9]*/environ /proc/[0-9]*/cmdline"), "");
}
