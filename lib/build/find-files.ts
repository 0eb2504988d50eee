import picomatch from "picomatch";
import { StepFailure } from "../base/errors.ts";
import type { ContainerInfo } from "../docker/docker.ts";
import type { Context } from "../driver/driver.ts";
import { exec } from "../driver/exec.ts";
import { buildUser } from "./labels.ts";
import { WORKSPACE } from "./plan.ts";

/** Names are listed up to this many bytes: some 100,000 of them. */
const MAX_LISTING_BYTES = 16 * 1024 * 1024;
const FIND = `
cd "$1" || exit 1
shift
command -v find >/dev/null || { echo "The image has no find, which looking for artifacts needs" >&2; exit 1; }
for base do
  [ -e "$base" ] || [ -L "$base" ] || continue
  find "$base" '(' -type f -o -type l ')' -print0 || exit 1
done
`;

/**
 * The files and links below `folder` that match one of the globs, by their path from it, and the globs that matched
 * nothing. Nothing outside of `folder` is looked at; a link is answered as itself.
 */
export async function findFiles(
  context: Context,
  container: ContainerInfo,
  folder: string,
  globs: readonly string[],
): Promise<{ paths: string[]; unmatched: string[] }> {
  const wanted = globs.map((text) => text.replace(/^(?:\.\/)+/, "").replace(/\/$/, "/**"));
  const bases = [...new Set(wanted.map(fixedPart))];
  const listed = await list(context, container, folder, bases.map((base) => `./${base}`));
  const matchers = wanted.map((text) => picomatch(text));
  const paths = new Set<string>();
  const unmatched = globs.filter((_, i) => {
    const found = listed.filter((path) => matchers[i]?.(path));
    for (const path of found) paths.add(path);
    return found.length === 0;
  });
  return { paths: [...paths].sort(), unmatched };
}

/** The folder (or the file itself) in which everything lies that the glob can match. */
function fixedPart(pattern: string): string {
  const { base, isGlob } = picomatch.scan(pattern) as { base: string; isGlob: boolean };
  return isGlob ? base : pattern;
}

async function list(
  context: Context,
  container: ContainerInfo,
  folder: string,
  bases: readonly string[],
): Promise<string[]> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const code = await exec(context, container.id, {
    command: ["/bin/sh", "-c", FIND, "conveyor", folder, ...bases],
    workdir: WORKSPACE,
    ...buildUser(container),
    intercept: ({ stream, data }) => {
      if (stream === "stderr") return false;
      size += data.length;
      if (size <= MAX_LISTING_BYTES) chunks.push(data.slice());
      return true;
    },
  });
  if (code !== 0) {
    throw new StepFailure(`Cannot look for artifacts in ${folder}`, { reason: "artifact-failed" });
  }
  if (size > MAX_LISTING_BYTES) {
    throw new StepFailure(
      `Cannot look for artifacts in ${folder}: there are too many files; expected globs with a narrower folder`,
      { reason: "artifact-failed" },
    );
  }
  const names = Buffer.concat(chunks).toString("utf8").split("\0");
  return names.filter((name) => name !== "").map((name) => name.replace(/^(?:\.\/)+/, ""));
}
