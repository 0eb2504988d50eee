import { execFileSync } from "node:child_process";
import { TEST_IMAGE } from "./step-context.ts";

/** Packs what a build of shell commands needs, with links replaced by their targets. */
const PACK = `
for program in /bin/sh cat git git-upload-pack mkdir mktemp rm setsid sleep tar; do
  path=$(command -v $program)
  echo $path
  ldd $(readlink -f $path) | grep -o '/[^ ]*'
done | sort -u | tar -cPhf - --files-from=- -C / --no-recursion tmp
`;

/** Returns the files of an image of some megabytes as a tar archive: shell and git of the test image. */
export function tinyImage(): Uint8Array {
  return execFileSync("docker", ["run", "--rm", "--network", "none", TEST_IMAGE, "sh", "-c", PACK], {
    maxBuffer: 256 * 1024 * 1024,
    stdio: ["ignore", "pipe", "inherit"],
  });
}
