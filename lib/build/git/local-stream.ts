import { InputError, messageOf, StepFailure, UnavailableError } from "../../base/errors.ts";
import type { ReadLocal } from "../policy.ts";
import { resolveCommit } from "./local/resolve-commit.ts";
import { openLocalSource, withObjects } from "./local-source.ts";
import { originOf } from "./origin.ts";
import { sourceStream } from "./source-stream.ts";

/**
 * Opens a local repository at the commit that was pinned when the build was requested, otherwise at its ref's
 * current commit. Throws StepFailure `ref-not-found` or `clone-failed`. The stream throws StepFailure
 * `clone-failed`.
 */
export const localStream: ReadLocal = async (path, { policy, spec, signal }) =>
  await asStepFailure(async () => {
    const own = policy.localCommit?.repository === path ? policy.localCommit : undefined;
    const source = withObjects(await openLocalSource(path, policy), own?.workTree?.objects);
    const pinned = own ?? resolveCommit(source, spec.ref);
    if (!pinned) throw notFound(spec.ref);
    const { depth, submodules, lfs, sparse } = spec;
    const stream = failing(sourceStream(source, { pinned, depth, submodules, lfs, sparse, signal }));
    return { ref: pinned.ref, origin: originOf(source.config, pinned.ref), stream };
  });

function notFound(ref: string | undefined): StepFailure {
  const message = ref === undefined || ref === "HEAD"
    ? "The repository has no commit at its HEAD"
    : `The repository has no branch, tag or commit "${ref}"`;
  return new StepFailure(message, { reason: "ref-not-found" });
}

async function* failing(stream: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const { done, value } = await asStepFailure(() => stream.next());
      if (done) return;
      yield value;
    }
  } finally {
    await stream.return(undefined);
  }
}

async function asStepFailure<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof InputError || error instanceof UnavailableError)) throw error;
    throw new StepFailure(messageOf(error), { reason: "clone-failed", cause: error });
  }
}
