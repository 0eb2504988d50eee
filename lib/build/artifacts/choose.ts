import { setImmediate } from "node:timers/promises";
import { StepFailure } from "../../base/errors.ts";
import { type Glob, goesThrough, matchesGlob } from "../../base/glob/glob.ts";
import type { Work } from "../../base/glob/segment.ts";
import type { Found, Session } from "./session.ts";
import { isUtf8, nameBytes, showName } from "./file-name.ts";
import type { Wanted } from "./unpack.ts";

/** Number of matching steps before other tasks get a turn. */
const STEPS_A_TURN = 500_000;
/** Limit of matching steps: some seconds of work. */
const MAX_STEPS = 1_000_000_000;
/** Limit of links and folders that are looked up individually. */
const MAX_QUESTIONS = 20_000;
/** Most files that a failure names; the rest is counted. */
const MAX_UNKEPT = 10;

/** A name that was found, and what is wrong with it. */
export interface Unkept {
  readonly name: string;
  readonly why: string;
}

export interface Choice {
  /** Sorted by name. A link stands for the file that it points to. */
  readonly files: readonly Wanted[];
  /** Globs that chose nothing, and whether another glob excluded all their matches. */
  readonly unmatched: readonly { readonly glob: Glob; readonly isTaken: boolean }[];
  /** Links that were skipped. */
  readonly leftOut: readonly Unkept[];
  /** Chosen files that cannot be kept, and chosen links out of the workspace. */
  readonly unkept: readonly Unkept[];
}

export interface ChooseOptions {
  readonly signal: AbortSignal;
  /** The globs that keep the times of their files. */
  readonly timed?: ReadonlySet<Glob>;
}

type Question = { readonly how: "what" | "list"; readonly name: string };

/**
 * Returns the files that the globs choose. Links are followed within the workspace. A link to a file stands
 * for the file. A link to a folder is followed if a glob names it, and skipped if only `**` or a parent
 * folder matches it. A link to nothing is skipped.
 */
export async function chooseFiles(
  session: Session,
  globs: readonly Glob[],
  options: ChooseOptions,
): Promise<Choice> {
  const chooser = new Chooser(globs, options);
  let questions = chooser.firstQuestions();
  for (let asked = questions.length; questions.length > 0; asked += questions.length) {
    if (asked > MAX_QUESTIONS) {
      throw failed(`There are more than ${MAX_QUESTIONS} links that the artifact globs come upon`);
    }
    const answers = await session.look(questions);
    const next: Question[] = [];
    for (const [i, found] of answers.entries()) {
      const question = questions[i];
      if (question) next.push(...await chooser.take(question, found));
    }
    questions = next;
  }
  return chooser.choice();
}

class Chooser {
  readonly #positive: readonly Glob[];
  readonly #negative: readonly Glob[];
  readonly #namesGit: boolean;
  readonly #signal: AbortSignal;
  readonly #timed: ReadonlySet<Glob> | undefined;
  readonly #files = new Map<string, Wanted>();
  readonly #chose = new Set<Glob>();
  readonly #matched = new Set<Glob>();
  readonly #leftOut: Unkept[] = [];
  readonly #unkept: Unkept[] = [];
  readonly #work: Work = { steps: 0 };
  #turns = 1;

  constructor(
    globs: readonly Glob[],
    { signal, timed }: ChooseOptions,
  ) {
    this.#positive = globs.filter(({ takesAway }) => !takesAway);
    this.#negative = globs.filter(({ takesAway }) => takesAway);
    this.#namesGit = this.#positive.some(({ alternatives }) => alternatives.some(({ namesGit }) => namesGit));
    this.#signal = signal;
    this.#timed = timed;
  }

  /** Returns the folders that contain every possible match, none of them inside another. */
  firstQuestions(): Question[] {
    const bases = new Set(
      this.#positive.flatMap(({ alternatives }) => alternatives.map(({ base }) => askable(base))),
    );
    const isBelow = (base: string) =>
      [...bases].some((other) => other !== base && (other === "" || base.startsWith(`${other}/`)));
    return [...bases].filter((base) => !isBelow(base)).map((name) => ({ how: "list", name }));
  }

  /** Processes what was found at a name. Returns further lookups. */
  async take({ how, name }: Question, found: Found): Promise<Question[]> {
    switch (found.kind) {
      case "nothing":
      case "other":
        return [];
      case "dangling":
        this.#leaveOut(name, "it links to nothing");
        return [];
      case "file":
        await this.#takeFile(name, this.#inside(name, found.path), found.size);
        return [];
      case "folder": {
        const path = this.#inside(name, found.path);
        if (path === undefined) return [];
        if (how === "list" && found.listing) return await this.#takeListing(name, path, found.listing);
        this.#leaveOut(name, "it links to a folder, which a glob has to name");
        return [];
      }
    }
  }

  choice(): Choice {
    const unmatched = this.#positive.filter((glob) => !this.#chose.has(glob))
      .map((glob) => ({ glob, isTaken: this.#matched.has(glob) }));
    const files = [...this.#files.values()].sort((a, b) => a.name < b.name ? -1 : 1);
    return { files, unmatched, leftOut: this.#leftOut, unkept: this.#unkept };
  }

  async #takeListing(
    folder: string,
    path: string,
    { files, sizes, links }: NonNullable<(Found & { kind: "folder" })["listing"]>,
  ): Promise<Question[]> {
    for (const file of files) await this.#takeFile(join(folder, file), join(path, file), sizes.get(file));
    const questions: Question[] = [];
    for (const link of links) {
      const name = join(folder, link);
      await this.#breathe();
      if (this.#isTakenAway(name)) continue;
      const isPath = this.#positive.some((glob) => goesThrough(glob, name, this.#work));
      const isChosen = () => this.#positive.some((glob) => matchesGlob(glob, name, this.#work));
      if (!isPath && !isChosen()) continue;
      if (askable(name) === name) {
        questions.push({ how: isPath ? "list" : "what", name });
        continue;
      }
      const why = whyUnkeepable(name) ?? "it cannot be looked at";
      if (isChosen()) this.#refuse(name, why);
      else this.#leaveOut(name, why);
    }
    return questions;
  }

  async #takeFile(name: string, path: string | undefined, size: number | undefined): Promise<void> {
    await this.#breathe();
    if (path === undefined) return;
    const matching = this.#positive.filter((glob) => matchesGlob(glob, name, this.#work));
    for (const glob of matching) this.#matched.add(glob);
    if (matching.length === 0 || this.#isTakenAway(name)) return;
    for (const glob of matching) this.#chose.add(glob);
    const why = whyUnkeepable(name) ?? whyUnkeepableAt(name, path);
    if (why !== undefined) return this.#refuse(name, why);
    if (size === undefined) return this.#refuse(name, "its size cannot be told");
    const times = matching.some((glob) => this.#timed?.has(glob));
    this.#files.set(name, { name, path, size, ...times && { times } });
  }

  #isTakenAway(name: string): boolean {
    return this.#negative.some((glob) => matchesGlob(glob, name, this.#work));
  }

  /**
   * Returns the path if it may be kept. Skips a link into `.git` unless a glob names that. Refuses a path
   * outside the workspace.
   */
  #inside(name: string, path: string | undefined): string | undefined {
    if (path === undefined) {
      this.#refuse(name, "it links to something outside of the workspace");
      return undefined;
    }
    if (this.#namesGit || !path.split("/").includes(".git")) return path;
    this.#leaveOut(name, "it links into .git, which a glob has to name");
    return undefined;
  }

  #refuse(name: string, why: string): void {
    this.#unkept.push({ name, why });
  }

  #leaveOut(name: string, why: string): void {
    this.#leftOut.push({ name, why });
  }

  /** Yields to other tasks from time to time, and limits the total work: globs and names are untrusted. */
  async #breathe(): Promise<void> {
    if (this.#work.steps < STEPS_A_TURN * this.#turns) return;
    if (this.#work.steps > MAX_STEPS) {
      throw failed("The artifact globs take too long on so many files, expected simpler ones");
    }
    this.#turns = Math.floor(this.#work.steps / STEPS_A_TURN) + 1;
    await setImmediate();
    this.#signal.throwIfAborted();
  }
}

const join = (folder: string, name: string): string => folder === "" ? name : `${folder}/${name}`;

/** Returns the path, or the folder in it above a name with a line break: a question is a line. */
function askable(path: string): string {
  const segments = path.split("/");
  const odd = segments.findIndex((segment) => /[\n\0]/.test(segment));
  return odd < 0 ? path : segments.slice(0, odd).join("/");
}

/** Returns why an artifact cannot have this name, or undefined if it can. */
function whyUnkeepable(name: string): string | undefined {
  const bytes = nameBytes(name).length;
  if (bytes > 1024) return `its path has ${bytes} bytes, expected 1024 at most`;
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f\\]/.test(name)) return "its name has a control character or a backslash";
  if (!isUtf8(name)) return "its name is not UTF-8";
  if (name.includes("\ufffd")) return "its name has U+FFFD, the sign for what cannot be read";
  return undefined;
}

/** Returns why the file of an artifact, at another path by way of a link, cannot be kept. */
function whyUnkeepableAt(name: string, path: string): string | undefined {
  const why = path === name ? undefined : whyUnkeepable(path);
  return why && `the file is ${showName(path)}, and ${why}`;
}

/** Returns the failure that names files that cannot be kept; at least one. */
export function unkept(files: readonly Unkept[], options?: ErrorOptions): StepFailure {
  const texts = files.slice(0, MAX_UNKEPT).map(({ name, why }) => `${showName(name)}: ${why}`);
  if (files.length > MAX_UNKEPT) texts.push(`and ${files.length - MAX_UNKEPT} more`);
  const what = files.length === 1 ? "the artifact " : `${files.length} artifacts: `;
  return failed(`Cannot keep ${what}${texts.join("; ")}`, options);
}

export function failed(message: string, options: ErrorOptions = {}): StepFailure {
  return new StepFailure(message, { reason: "artifact-failed", ...options });
}
