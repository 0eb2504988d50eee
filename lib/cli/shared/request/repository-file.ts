import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { InputError, messageOf, UnavailableError } from "../../../base/errors.ts";
import { utf8Text } from "../../../base/text.ts";
import type { LocalSource } from "../../../build/git/local-source.ts";
import type { PinnedCommit } from "../../../build/git/local/resolve-commit.ts";
import { CommitFiles } from "../../../build/git/local/commit-files.ts";
import { OWN_FILES, saysWhatToRun } from "../../../build/own-file.ts";
import { parseRepository } from "../../../build/repository.ts";
import { type OpenedLocal, openLocal, type OpenOptions } from "./local-request.ts";
import { proposalFor } from "./proposal.ts";
import type { ResourceFile } from "./resource-file.ts";

const MOST_BYTES = 256 * 1024;
const FLUTTER_MARK = "pubspec.yaml";

/** What a local repository says about its own build. */
export interface Repository {
  readonly local: OpenedLocal;
  readonly file: ResourceFile | undefined;
  /** Where the file was found, for people: `.conveyor.yaml of the commit 62ea13d7b3c5`. */
  readonly fileName: string | undefined;
}

/**
 * Opens the local repository that a command line names, and reads its own file from the commit that is built.
 * Undefined for a repository elsewhere, and for one that cannot be opened: the build's plan reports that.
 * Throws InputError for a file that is not valid.
 */
export async function lookIntoRepository(
  named: string | undefined,
  options: OpenOptions,
): Promise<Repository | undefined> {
  const local = await opened(named ?? ".", options);
  if (!local?.pinned) return local && { local, file: undefined, fileName: undefined };
  using open = new DisposableStack();
  open.use(local.dirty);
  const found = { local, ...await ownFileOf(local.source, local.pinned) };
  open.move();
  return found;
}

/** Reads the file of a commit that says how to build it. */
async function ownFileOf(
  source: LocalSource,
  pinned: PinnedCommit,
): Promise<Pick<Repository, "file" | "fileName">> {
  using files = new CommitFiles(source, pinned.commit);
  const [name, other] = OWN_FILES.filter((name) => files.has(name));
  if (name === undefined) return { file: undefined, fileName: undefined };
  if (other !== undefined) {
    throw new InputError(`The repository has both "${name}" and "${other}": expected one of them`);
  }
  const fileName = `${name} of the commit ${pinned.commit.slice(0, 12)}`;
  const text = textOf(files.read(name, MOST_BYTES), fileName);
  if (text.trim() === "") throw new InputError(`${fileName}: It is empty`);
  const { parseResourceFile } = await import("./resource-file.ts");
  return {
    file: withoutOwnChoice(await parseResourceFile({ name: fileName, text }), fileName),
    fileName,
  };
}

function textOf(bytes: Uint8Array = new Uint8Array(), fileName: string): string {
  try {
    return utf8Text(bytes);
  } catch (cause) {
    throw new InputError(`${fileName}: Cannot be read: ${messageOf(cause)}`);
  }
}

async function opened(named: string, options: OpenOptions): Promise<OpenedLocal | undefined> {
  try {
    const parsed = parseRepository(named);
    return parsed.kind === "local" ? await openLocal(resolve(parsed.path), options) : undefined;
  } catch (error) {
    if (error instanceof InputError || error instanceof UnavailableError) return undefined;
    throw error;
  }
}

/** Refuses what a repository cannot say of itself: which repository and which commit is built. */
function withoutOwnChoice(file: ResourceFile, name: string): ResourceFile {
  const { id: _ours, ...rest } = file;
  const chosen = ["repository", "ref", "dirty"].filter((field) => file.spec[field] !== undefined);
  if (chosen.length === 0) return rest;
  const problems = chosen.map((key) =>
    file.locate(
      {
        path: ["spec"],
        key,
        text: `spec.${key}: A repository's own file cannot choose it: expected nothing`,
      },
      undefined,
    )
  );
  throw new InputError([`${name}: It says what is built`, ...problems].join("\n"));
}

/**
 * Returns a note of what is taken for granted where neither the command line nor a file says it: that a
 * repository elsewhere, whose own file cannot be read before the clone, is a Flutter application; or that
 * commands without an image want Flutter's.
 */
export function whatIsAssumed(
  spec: Readonly<Record<string, unknown>>,
  { repository, isFileNamed, image }: {
    /** Undefined for a repository elsewhere. */
    repository: Repository | undefined;
    isFileNamed: boolean;
    /** The image that is built in. */
    image: string;
  },
): string | undefined {
  if (repository) {
    if (spec.image !== undefined || !repository.local.pinned || isFlutter(repository.local, spec)) {
      return undefined;
    }
    return `Nothing names an image, so it is built in Flutter's, ${image}. To choose another: --image`;
  }
  if (isFileNamed || saysWhatToRun(spec)) return undefined;
  return `Nothing says what to run, so it is built as a Flutter application: a ${
    OWN_FILES[0]
  } is read only where a folder is built. ` +
    "To build by it, clone the repository and run there, or name the file with -f";
}

/**
 * Throws InputError with an example if nothing says what to run, and the repository is not a Flutter
 * application: its defaults would pull an image of gigabytes for nothing. `spec`: without defaults.
 */
export function checkSaysWhatToRun(
  { local, fileName }: Repository,
  spec: Readonly<Record<string, unknown>>,
): void {
  const { source, pinned, path, dirty } = local;
  if (saysWhatToRun(spec) || !pinned || isFlutter(local, spec)) return;
  const left = fileName === undefined && !dirty && notCommitted(source);
  if (left) {
    throw new InputError(
      `Nothing says how to build "${path}": its ${left} is not in the commit that is built. ` +
        `Expected it to be committed, or --dirty, which builds the working tree as it is`,
    );
  }
  using files = new CommitFiles(source, pinned.commit);
  const { image, commands } = proposalFor({
    has: (name) => files.has(name),
    read: (name) => files.read(name, MOST_BYTES)?.toString("utf8"),
  });
  const words = commands.map((command) => `-c ${/^[\w./-]+$/.test(command) ? command : `'${command}'`}`);
  const example = (image: string) => `as in: flutter-ci run --image ${image} ${words.join(" ")}`;
  if (typeof spec.image === "string") {
    throw new InputError(
      `Nothing says what to run in "${spec.image}", and "${path}" has no ${FLUTTER_MARK} of a Flutter application. ` +
        `Expected commands, ${example(spec.image)}`,
    );
  }
  const missing = fileName === undefined
    ? `it has no ${OWN_FILES[0]}, and no ${FLUTTER_MARK} of a Flutter application`
    : `${fileName} names neither an image nor commands, and there is no ${FLUTTER_MARK} of a Flutter application`;
  throw new InputError(
    `Nothing says how to build "${path}": ${missing}. ` +
      `Expected an image and commands, ${example(image)}; ` +
      (fileName === undefined
        ? `"flutter-ci init" writes them into a file`
        : `add spec.image and spec.commands to the file`),
  );
}

/** Whether the commit is of a Flutter application, at its top or in the folder in which commands run. */
function isFlutter({ source, pinned }: OpenedLocal, spec: Readonly<Record<string, unknown>>): boolean {
  if (!pinned) return false;
  using files = new CommitFiles(source, pinned.commit);
  const workdir = typeof spec.workdir === "string" ? `${spec.workdir}/` : "";
  return files.has(FLUTTER_MARK) || files.has(`${workdir}${FLUTTER_MARK}`);
}

/** Returns the name of a file in the working tree that would say how to build it, were it committed. */
const notCommitted = ({ workTree }: LocalSource): string | undefined =>
  workTree === undefined ? undefined : OWN_FILES.find((name) => existsSync(join(workTree, name)));
