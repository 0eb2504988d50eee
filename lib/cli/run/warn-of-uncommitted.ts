import { openLocalSource } from "../../build/git/local-source.ts";
import type { Repository } from "../../build/repository.ts";
import type { Environment } from "../environment.ts";
import { uncommittedFiles } from "./uncommitted.ts";

const NAMED = 3;

/**
 * Says which files of a local repository are not built, since they are not committed. Looks `after` something else, and
 * beside the build; disposing gives up.
 */
export function warnOfUncommitted(
  repository: Repository,
  { after, environment, note }: {
    after: Promise<void>;
    environment: Environment;
    note: (text: string) => void;
  },
): AsyncDisposable {
  const closing = new AbortController();
  const looking = after.then(look).catch((error) => {
    if (!closing.signal.aborted) throw error;
  });
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await looking;
    },
  };

  async function look(): Promise<void> {
    if (repository.kind === "remote") return;
    const source = await openLocalSource(repository.path);
    const files = await uncommittedFiles(source, { environment, signal: closing.signal });
    if (files.length > 0) note(warning(files));
  }
}

function warning(files: readonly string[]): string {
  const named = files.slice(0, NAMED).join(", ");
  const more = files.length > NAMED ? ` and ${files.length - NAMED} more` : "";
  return `warning: Not committed, so not built: ${named}${more}`;
}
