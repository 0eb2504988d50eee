import { join } from "node:path";
import { processLog } from "../../../base/log.ts";
import { counted } from "../../../base/units.ts";
import { messageOf } from "../../../base/errors.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import { DEFAULT_OUTPUT } from "./build-flags.ts";
import type { Dirty } from "./dirty.ts";
import { neutral } from "../../../driver/program/command-line/neutral.ts";
import type { BuildRequest } from "./build-request.ts";
import { uncommittedFiles } from "./uncommitted.ts";

const NAMED = 3;

/**
 * Reports what is built if that may surprise: nothing says how, a repository's own file says how, commands
 * run at its top although a folder below was named, and files are left out because they are not committed.
 * git runs once `after` resolves, in parallel with the build. Dispose cancels it. A failure is only logged,
 * because the build does not depend on it.
 */
export function sayWhatIsBuilt(
  { local, fileName, assumed, plan: { spec } }: BuildRequest,
  { after, environment, own, note }: {
    after: Promise<void>;
    environment: Environment;
    /** Folders that this process writes to. */
    own: readonly string[];
    note: (text: string) => void;
  },
): AsyncDisposable {
  const closing = new AbortController();
  if (assumed !== undefined) note(assumed);
  if (fileName !== undefined) note(`Building as ${fileName} says`);
  if (local && local.below !== "" && spec.workdir === undefined) note(atTheTop(local.below));
  if (local?.dirty) { for (const line of ofWorkTree(local.dirty, spec)) note(line); }
  const looking = after.then(look).catch((error) => {
    if (closing.signal.aborted) return;
    processLog("run").warn("Cannot tell what is not committed: {error}", { error: messageOf(error) });
  });
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await looking;
    },
  };

  async function look(): Promise<void> {
    if (!local?.workTree) return;
    if (local.workTree instanceof Error) throw local.workTree;
    // Artifacts of runs started at the top are also our own output.
    const written = [...own, join(local.workTree.path, DEFAULT_OUTPUT)];
    const options = { environment, own: written, signal: closing.signal };
    const files = await uncommittedFiles(local.workTree, options);
    try {
      if (spec.submodules) {
        const { uncommittedInModules } = await import("./uncommitted-modules.ts");
        const below = await uncommittedInModules(local.source, local.workTree.head, options);
        for (const file of below) files.push(file);
      }
    } finally {
      // What is known is said, even if a submodule cannot be read.
      if (files.length > 0 && !closing.signal.aborted) note(warning(files));
    }
  }
}

function ofWorkTree(
  { workTree, modules, leftOut }: Dirty,
  { submodules }: { submodules: boolean },
): string[] {
  const changes = workTree?.changes ?? 0;
  const what = changes === 0
    ? "nothing is uncommitted"
    : counted(changes, "file is not committed", "files are not committed");
  return [
    `Building the working tree as it is: ${what}`,
    ...leftOut.length === 0
      ? []
      : [`warning: Repositories of their own, built as committed or not at all: ${few(leftOut)}`],
    ...submodules || modules.length === 0
      ? []
      : [`warning: Submodules, not built without --submodules: ${few(modules)}`],
  ];
}

function atTheTop(below: string): string {
  const flag = /^[\w./-]+$/.test(below) ? below : `'${below.replaceAll("'", "'\\''")}'`;
  return `Commands run at the top of the repository, not in ${below}; to run them there: --workdir ${flag}`;
}

function warning(files: readonly string[]): string {
  return `warning: Not committed, so not built: ${few(files)}`;
}

/** Names the first of some files. */
function few(files: readonly string[]): string {
  const named = files.slice(0, NAMED).map((name) => neutral(name)).join(", ");
  return files.length > NAMED ? `${named} and ${files.length - NAMED} more` : named;
}
