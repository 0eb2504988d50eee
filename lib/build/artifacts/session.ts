import { StepFailure } from "../../base/errors.ts";
import type { ContainerInfo } from "../../docker/docker.ts";
import type { BuildContext } from "../policy.ts";
import { exec } from "../../driver/work/exec.ts";
import { ownEnvironment } from "../../driver/work/own-environment.ts";
import { buildUser } from "../labels.ts";
import { WORKSPACE } from "../plan.ts";
import { ByteQueue, TooLong } from "./byte-queue.ts";
import { nameBytes } from "./file-name.ts";
import { SCRIPT } from "./script.ts";
import { ArchiveError } from "./unpack.ts";

/** What was found at a name. Paths are relative to the workspace; undefined if outside it. */
export type Found =
  | { readonly kind: "file"; readonly path: string | undefined; readonly size: number | undefined }
  | { readonly kind: "folder"; readonly path: string | undefined; readonly listing?: Listing }
  | { readonly kind: "dangling" | "other" | "nothing" };

/** Contents of a folder, by paths relative to it. */
export interface Listing {
  readonly files: readonly string[];
  readonly sizes: ReadonlyMap<string, number>;
  readonly links: readonly string[];
}

/**
 * A session with the script in the container. All processes that the build left running are stopped during
 * the session.
 */
export interface Session {
  /** Whether `send` works; otherwise files come from Docker only. */
  readonly sends: boolean;
  /** Returns one answer per question, in order. Names must not contain line breaks. */
  look(questions: readonly { how: "what" | "list"; name: string }[]): Promise<Found[]>;
  /**
   * Returns the files at these paths as consecutive tar archives, with names below `./`. Ends the session: no
   * questions are possible after it.
   */
  send(paths: readonly string[]): AsyncIterable<Uint8Array>;
}

/** Limit for all answers together: some 200,000 names, each listed twice. */
const MAX_LISTED_BYTES = 32 * 1024 * 1024;

/**
 * Runs `work` with a session on a container's workspace. Throws StepFailure `artifact-failed` if the files
 * cannot be examined, and what `work` and `exec` throw.
 */
export async function withSession<T>(
  context: BuildContext,
  container: ContainerInfo,
  { folder, showsGit }: { folder: string; showsGit: boolean },
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const queue = new ByteQueue();
  const input = new ByteQueue();
  let isAbandoned = false;
  const running = exec(context, container.id, {
    command: ["/bin/sh", "-c", SCRIPT, "conveyor", WORKSPACE, folder, showsGit ? "" : ".git"],
    workdir: "/",
    env: ownEnvironment(container),
    ...buildUser(container),
    stdin: input.rest(),
    intercept: async ({ stream, data }) => {
      if (stream !== "stdout") return false;
      await queue.write(data);
      // Ends the exec: what is left of a large file may take a minute to read. A stop ends it in its own way.
      if (isAbandoned && !context.signal.aborted) throw new Abandoned();
      return true;
    },
  }).catch((error) => {
    if (!(error instanceof Abandoned)) throw error;
  }).finally(() => queue.end());
  running.catch(() => {});
  try {
    return await work(await open(queue, input, folder));
  } catch (error) {
    isAbandoned = true;
    queue.leave();
    input.end();
    // The error of the container or Docker explains the missing or partial answer.
    if (error instanceof NoAnswer || error instanceof ArchiveError) await running;
    if (error instanceof TooLong) {
      throw cannotLook(folder, "there are too many files, expected globs with a narrower folder");
    }
    throw error instanceof NoAnswer ? cannotLook(folder, error.message) : error;
  } finally {
    queue.leave();
    input.end();
    await running.catch(() => {});
    context.signal.throwIfAborted();
  }
}

/** The script ended without an answer, or gave an invalid one. */
class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

/** Nobody reads the session's answers any more. */
class Abandoned extends Error {
  override readonly name = "Abandoned";
}

async function open(queue: ByteQueue, input: ByteQueue, folder: string): Promise<Session> {
  let left = MAX_LISTED_BYTES;
  const text = async () => {
    const said = await queue.text(left);
    if (said === undefined) throw new NoAnswer("the container gave no answer");
    left -= said.length + 1;
    return said;
  };
  const how = await text();
  const top = await text();
  const inside = (path: string) =>
    path.startsWith(`${top}/`) ? path.slice(top.length + 1) : path === top ? "" : undefined;

  async function listing(): Promise<Listing> {
    const names = async () => {
      const all: string[] = [];
      for (let name = await text(); name !== ""; name = await text()) all.push(name.replace("./", ""));
      return all;
    };
    const files = await names();
    const sizes = sizesOf(await text());
    const links = await names();
    if (await text() !== "0") throw cannotLook(folder, "find could not read all of it");
    return { files, sizes, links };
  }

  async function answer(how: "what" | "list"): Promise<Found> {
    const kind = await text();
    switch (kind) {
      case "file": {
        const path = inside(await text());
        const size = await text();
        return { kind, path, size: isCount(size) ? Number(size) : undefined };
      }
      case "folder": {
        const path = inside(await text());
        return how === "what" || path === undefined
          ? { kind, path }
          : { kind, path, listing: await listing() };
      }
      case "dangling":
      case "other":
      case "nothing":
        return { kind };
      default:
        throw new NoAnswer("the container gave an answer that makes no sense");
    }
  }

  return {
    sends: how !== "none",
    async look(questions) {
      // Do not await: the script reads the next question after answering the one before.
      void input.write(nameBytes(questions.map(({ how, name }) => `${how} ${name}\n`).join("")));
      const answers: Found[] = [];
      for (const { how } of questions) answers.push(await answer(how));
      return answers;
    },
    send(paths) {
      void input.write(nameBytes(`send\n${paths.map((path) => `./${path}\0`).join("")}`));
      input.end();
      return queue.rest();
    },
  };
}

/** Parses lines `SIZE NAME`. Names with a line break get no size. */
function sizesOf(text: string): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const line of text.split("\n")) {
    const blank = line.indexOf(" ");
    const size = line.slice(0, blank);
    if (isCount(size)) sizes.set(line.slice(blank + 1).replace("./", ""), Number(size));
  }
  return sizes;
}

const isCount = (text: string): boolean => /^\d{1,15}$/.test(text);

function cannotLook(folder: string, why: string): StepFailure {
  return new StepFailure(`Cannot look for artifacts in ${folder}: ${why}`, { reason: "artifact-failed" });
}
