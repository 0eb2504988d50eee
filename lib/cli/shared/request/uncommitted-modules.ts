import type { LocalSource } from "../../../build/git/local-source.ts";
import { checkedOutModules } from "./dirty-modules.ts";
import { snapshotWorkTree, uncommittedFiles } from "./uncommitted.ts";

/**
 * Returns the files in the submodules of a commit, and in theirs, that are not committed there. Of submodules
 * that `--dirty` leaves out, nothing is read.
 */
export async function uncommittedInModules(
  source: LocalSource,
  commit: string,
  options: Parameters<typeof uncommittedFiles>[1],
): Promise<string[]> {
  const files: string[] = [];
  for (const { path, source: module } of await checkedOutModules(source, commit, options)) {
    const workTree = snapshotWorkTree(module);
    if (!workTree) continue;
    const below = [
      ...await uncommittedFiles(workTree, options),
      ...await uncommittedInModules(module, workTree.head, options),
    ];
    const shown = Buffer.from(path, "latin1").toString("utf8");
    for (const file of below) files.push(`${shown}/${file}`);
  }
  return files;
}
