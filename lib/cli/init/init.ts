import { randomUUID } from "node:crypto";
import { realpathSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InputError, messageOf, UnavailableError } from "../../base/errors.ts";
import { lstatIfThere } from "../../base/files.ts";
import { findRepository, NoRepository } from "../../build/git/local/find-repository.ts";
import { GitFolder } from "../../build/git/local/git-folder.ts";
import { parseRepository } from "../../build/repository.ts";
import { type Files, type Proposal, proposalFor } from "../shared/request/proposal.ts";
import { OWN_FILES } from "../../build/own-file.ts";

const MOST_BYTES = 1024 * 1024;

/**
 * Writes a `.conveyor.yaml` to the top of the repository that a folder belongs to. Returns what was written
 * and what to do next. Throws InputError if this is no repository, or has such a file and `force` is not set.
 */
export async function init(folder: string, { force }: { force: boolean }): Promise<string> {
  const top = topOf(folder);
  const [name = ""] = OWN_FILES;
  const existing = OWN_FILES.find((name) => lstatIfThere(join(top, name)));
  if (existing !== undefined && (!force || existing !== name)) {
    throw new InputError(
      `There is "${join(top, existing)}" already: ${
        existing === name ? "expected --force to replace it" : `expected none beside a ${name}`
      }`,
    );
  }
  const proposal = proposalFor(filesIn(top));
  const path = join(top, name);
  await write(path, textOf(proposal), { force }).catch((error) => {
    throw new UnavailableError(`Cannot write "${path}": ${messageOf(error)}`, { cause: error });
  });
  const why = proposal.mark === undefined
    ? "nothing that is known was found: change its image and commands"
    : `as for a repository with ${proposal.mark}`;
  return `Wrote ${path}, ${why}\nTry it: flutter-ci run --dirty\nNext: git add ${name} && git commit, then: flutter-ci run\n`;
}

function topOf(folder: string): string {
  const parsed = parseRepository(folder);
  if (parsed.kind !== "local") {
    throw new InputError(`Invalid folder "${folder}": expected one of this machine`);
  }
  const { workTree } = repositoryOf(folder, parsed.path);
  if (workTree !== undefined) return realpathSync(workTree);
  throw new InputError(
    `Cannot write into "${folder}": it is a bare repository, expected one with a work tree`,
  );
}

function repositoryOf(folder: string, path: string): ReturnType<typeof findRepository> {
  try {
    return findRepository(path);
  } catch (error) {
    if (!(error instanceof NoRepository)) throw error;
    throw new InputError(`Cannot write into "${folder}": ${error.why}`);
  }
}

/** The files of a work tree. What is no regular file, or leads out of it by a link, does not count. */
function filesIn(top: string): Files {
  const folder = new GitFolder(top);
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (error instanceof InputError || error instanceof UnavailableError) return undefined;
      throw error;
    }
  };
  return {
    has: (name) => attempt(() => folder.kind(name)) === "file",
    read: (name) => attempt(() => folder.read(name, MOST_BYTES)?.toString("utf8")),
  };
}

/** Writes the file whole, and never through a symbolic link of its name. */
async function write(path: string, text: string, { force }: { force: boolean }): Promise<void> {
  if (!force) return await writeFile(path, text, { flag: "wx" });
  const part = `${path}.${randomUUID()}.part`;
  try {
    await writeFile(part, text, { flag: "wx" });
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

function textOf({ image, commands, artifacts, caches, env }: Proposal): string {
  const list = (values: readonly string[]) => values.map((value) => `    - ${value}\n`).join("");
  const variables = Object.entries(env).map(([name, value]) => `{ name: ${name}, value: ${value} }`);
  const folders = Object.entries(caches).map(([name, path]) => `{ name: ${name}, path: ${path} }`);
  return `# How flutter-ci builds this repository. All fields: docs/spec.md of flutter-ci.
resource: flutter-builder
spec:
  image: ${image}
  # Run in order, up to the first that fails. A text is a line for the shell.
  commands:
${list(commands.map(quoted))}${variables.length > 0 ? `  env:\n${list(variables)}` : ""}${
    folders.length > 0
      ? `  # Folders that the next build finds again.\n  cache:\n${list(folders)}`
      : `  # Folders that the next build finds again.\n  # cache:\n  #   - { name: ccache, path: /root/.cache/ccache }\n`
  }  # Files to keep: globs, from the top of the repository.
${
    artifacts.length > 0
      ? `  artifacts:\n${list(artifacts.map(quoted))}`
      : `  # artifacts:\n  #   - "dist/**"\n`
  }  timeout: 1h
`;
}

/** A text as YAML. Every JSON text is one. */
const quoted = (text: string): string => /^[A-Za-z][\w ./-]*$/.test(text) ? text : JSON.stringify(text);
