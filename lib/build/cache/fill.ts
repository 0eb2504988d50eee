import type { ImageInfo } from "../../docker/docker.ts";
import { capture } from "../../driver/work/exec.ts";
import { ownEnvironment } from "../../driver/work/own-environment.ts";
import type { BuildContext } from "../policy.ts";
import { cacheTitle } from "./title.ts";
import type { Prepared } from "./prepare.ts";

/** Copies $1 into $2. If that fails, empties $2 and says why. */
const COPY = `
said=$(cp -a "$1/." "$2/" 2>&1) && exit
find "$2" -mindepth 1 -delete 2>/dev/null || rm -rf -- "$2"/* "$2"/.[!.]* "$2"/..?* 2>/dev/null
printf '%s\\n' "$said" | tail -n 1
exit 1
`;

/**
 * Copies those caches that are not layered. One that cannot be copied is left empty, with a line in the log.
 */
export async function fillCaches(
  context: BuildContext,
  container: string,
  prepared: readonly Prepared[],
  image: ImageInfo,
): Promise<void> {
  for (const { line, copyFrom } of prepared) {
    if (copyFrom === undefined) continue;
    const { exitCode, stdout } = await capture(context, container, {
      command: ["/bin/sh", "-c", COPY, "sh", copyFrom, line.path],
      user: "0",
      workdir: "/",
      env: ownEnvironment(image),
    });
    if (exitCode === 0) continue;
    await context.log.line(`${cacheTitle(line)}: dropped, it cannot be copied: ${stdout.trim()}`);
  }
}
