import { resolve } from "node:path";
import { monotonicClock } from "../../base/clock.ts";
import { InputError, UnavailableError } from "../../base/errors.ts";
import { delay } from "../../base/signals.ts";
import { openLocalSource } from "../../build/git/local-source.ts";
import { resolveCommit } from "../../build/git/local/resolve-commit.ts";
import { parseRepository } from "../../build/repository.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { EXIT } from "../../driver/program/command-line/exit-codes.ts";
import { neutralText } from "../../driver/program/command-line/neutral.ts";
import type { Stop } from "../../driver/program/stop/stop.ts";
import { listenForStop } from "../../driver/program/stop/stop-requests.ts";
import type { BuildRequest } from "../shared/request/build-request.ts";
import { run, type RunInput } from "./run.ts";

/** How long a repository may be unreadable while git works on it, milliseconds. */
const MOST_UNREADABLE_MS = 30_000;
/** How often the repository is looked at between two builds, milliseconds. */
const LOOK_MS = 500;
/** Exit codes after which there is nothing to wait for: a signal, and a machine that cannot build. */
const LAST = new Set<number>([EXIT.unavailable, EXIT.defect, 129, 130, 143]);

/**
 * Builds a local repository, and again whenever the ref moves that is built, until a signal. Each build is
 * a run of its own; the commits that come during one are built once, after it. Returns the exit code of the
 * signal, or of a build after which there is nothing to wait for. Throws as `run` does at the first build.
 */
export async function watch(input: RunInput): Promise<number> {
  // A file may choose another repository and ref, and another one at each build.
  let followed = { path: resolve(watched(input.operands.repository ?? ".")), ref: input.options.ref };
  let built: string | undefined;
  const now = async () => {
    const { path, ref } = followed;
    return resolveCommit(await openLocalSource(path, { environment }), ref)?.commit;
  };
  const onRequest = async ({ plan: { spec: { ref, repository } }, local }: BuildRequest) => {
    followed = { path: watched(repository), ref };
    // A working tree is built as a commit that no ref leads to.
    built = local?.dirty ? await now() : local?.commit?.commit;
  };
  for (let isFirst = true;; isFirst = false) {
    // So that a commit whose own file is refused is not looked at again and again.
    if (!isFirst) built = await now();
    const code = await buildOnce({ ...input, onRequest }, isFirst);
    if (LAST.has(code)) return code;
    const { ref } = followed;
    process.stderr.write(
      `Waiting for ${ref === undefined ? "HEAD" : neutralText(ref)} to move; Ctrl-C to leave\n`,
    );
    const stopped = await moved(now, built);
    if (stopped) return stopped.exit;
  }
}

/** Returns the folder of a local repository. Throws InputError for any other. */
function watched(repository: string): string {
  const parsed = parseRepository(repository);
  if (parsed.kind === "local") return parsed.path;
  throw new InputError(`--watch: Cannot watch "${repository}": expected a folder of this machine`);
}

/** A commit whose own file is not valid does not end the watch: the next one may mend it. */
async function buildOnce(input: RunInput, isFirst: boolean): Promise<number> {
  try {
    return await run(input);
  } catch (error) {
    if (isFirst || !(error instanceof InputError)) throw error;
    process.stderr.write(`error: ${neutralText(error.message)}\n`);
    return EXIT.usage;
  }
}

/** Waits until the commit is another one. Returns the request to stop that came before. */
async function moved(
  now: () => Promise<string | undefined>,
  built: string | undefined,
): Promise<Stop | undefined> {
  const leaving = new AbortController();
  using stop = listenForStop({
    onFirst: () => leaving.abort(),
    onSecond: ({ exit }) => process.exit(exit),
  });
  let readAt = monotonicClock();
  const readable = async () => {
    const commit = await now();
    readAt = monotonicClock();
    return commit;
  };
  try {
    for (;;) {
      const commit = await readable().catch((error) => {
        const isForAMoment = error instanceof InputError || error instanceof UnavailableError;
        if (!isForAMoment || monotonicClock() - readAt > MOST_UNREADABLE_MS) throw error;
        return built;
      });
      if (commit !== undefined && commit !== built) return undefined;
      await delay(LOOK_MS, { signal: leaving.signal });
    }
  } catch (error) {
    if (stop.first) return stop.first;
    throw error;
  }
}
