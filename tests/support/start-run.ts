import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import type { LogLine, RunEnded, RunEvent } from "../../lib/engine/core/events.ts";
import { CACHES } from "../cli/start-program.ts";
import { signalChild } from "./signal-child.ts";
import { objectsOf, removeObjectsOf, TEST_IMAGE } from "./step-context.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/flutter-ci", import.meta.url));
/** Starts the program on the test's own runtime. */
const RUNTIME = "bun" in process.versions ? "bun" : "deno";

/** A process of `flutter-ci run --json`. */
export interface StartedRun {
  /** Resolves to the first event, past or future, that matches; rejects if the process ends without it. */
  event<E extends RunEvent>(matches: (event: RunEvent) => event is E): Promise<E>;
  event(matches: (event: RunEvent) => boolean): Promise<RunEvent>;
  /** Resolves to the first line of the build's log that contains this text. */
  line(text: string): Promise<RunEvent>;
  /** Resolves to the first line on stderr that matches. */
  note(pattern: RegExp): Promise<string>;
  /** Settles as the promise; rejects if the process ends first. */
  before<T>(promise: Promise<T>): Promise<T>;
  kill(signal: NodeJS.Signals): void;
  /** Stops reading its stdout, as `head` does. */
  closeOutput(): void;
  readonly ended: Promise<EndedRun>;
}

export interface EndedRun {
  /** The exit code, or the signal that ended the process. */
  readonly exit: number | string;
  readonly events: readonly RunEvent[];
  /** The last event, if that is the run's end. */
  readonly end: RunEnded | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /**
   * Its environment. Of this process's variables it gets only PATH, TMPDIR, DOCKER_HOST and the test
   * programs' caches.
   */
  readonly env?: Record<string, string>;
  readonly image?: string;
  /** Called with the lines of the log, which are then not kept in `events` and `stdout`. */
  readonly onLine?: (line: LogLine) => void;
}

/** Starts a build of the place's repository. `data` names one of its data folders. */
export function startRun(
  place: Place,
  flags: readonly string[],
  { data = "data", env = {}, image = TEST_IMAGE, onLine }: RunOptions & { data?: string } = {},
): StartedRun {
  const { PATH, DOCKER_HOST } = process.env;
  const args = ["run", place.repository, "--image", image, "--data", place.data(data), "--json", ...flags];
  const child = spawn(PROGRAM, args, {
    cwd: place.folder,
    env: {
      PATH,
      TMPDIR: tmpdir(),
      HOME: place.folder,
      XDG_CACHE_HOME: CACHES,
      CONVEYOR_RUNTIME: RUNTIME,
      ...(DOCKER_HOST === undefined ? {} : { DOCKER_HOST }),
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  place.processes.add(child);
  place.dataFolders.add(place.data(data));
  const said = { stdout: [] as string[], stderr: [] as string[] };
  const events: RunEvent[] = [];
  let broken: string | undefined;
  const waiting = new Set<() => void>();
  const hear = () => waiting.forEach((look) => look());
  createInterface(child.stdout).on("line", (text) => {
    const event = parsed(text);
    if (event?.type === "log" && onLine) return onLine(event);
    said.stdout.push(text);
    if (event) events.push(event);
    else broken ??= text;
    hear();
  });
  createInterface(child.stderr).on("line", (text) => {
    said.stderr.push(text);
    hear();
  });
  const ended = new Promise<EndedRun>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      place.processes.delete(child);
      // A killed process may have been in the middle of a line.
      if (broken !== undefined && signal !== "SIGKILL") reject(new Error(`Not a JSON line: ${broken}`));
      const last = events.at(-1);
      resolve({
        exit: code ?? signal ?? "",
        events,
        end: last?.type === "end" ? last : undefined,
        stdout: said.stdout.join("\n"),
        stderr: said.stderr.join("\n"),
      });
    });
  });

  const before = <T>(promise: Promise<T>, what = "what it was waited for") =>
    Promise.race([
      promise,
      ended.then(() => {
        throw new Error(`It ended without ${what}:\n${[...said.stdout, ...said.stderr].join("\n")}`);
      }),
    ]);
  const first = <T>(what: string, find: () => T | undefined) => {
    const { promise, resolve } = Promise.withResolvers<T>();
    const look = () => {
      const found = find();
      if (found === undefined) return;
      waiting.delete(look);
      resolve(found);
    };
    waiting.add(look);
    look();
    return before(promise, what);
  };

  return {
    event: (matches: (event: RunEvent) => boolean) => first("the event", () => events.find(matches)) as never,
    line: (text) =>
      first(
        `the line "${text}"`,
        () => events.find((event) => event.type === "log" && event.message.includes(text)),
      ),
    note: (pattern) => first(`saying ${pattern}`, () => said.stderr.find((text) => pattern.test(text))),
    before,
    kill: (signal) => signalChild(child, signal),
    closeOutput: () => child.stdout.destroy(),
    ended,
  };
}

function parsed(text: string): RunEvent | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Matches the event of the start of a step. */
export const began = (step: string) => (event: RunEvent): boolean =>
  event.type === "step" && event.step === step && event.status === "started";

/**
 * A folder with a repository and data folders. Dispose removes it, and what a failed test has left of its
 * runs: processes, and containers on the machine's daemon.
 */
export interface Place extends AsyncDisposable {
  readonly folder: string;
  readonly repository: string;
  /** Processes that were started here and have not ended. */
  readonly processes: Set<ChildProcess>;
  readonly dataFolders: Set<string>;
  data(name: string): string;
  /** Returns the names of the containers, volumes and networks of all runs that were started here. */
  objects(): Promise<string[]>;
}

/** Makes a place whose repository has these files, committed. Programs make the data folders themselves. */
export async function makePlace(
  files: Record<string, string> = { "Makefile": "all:\n\t@echo built\n" },
): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "conveyor-e2e-"));
  const repository = join(folder, "app");
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(repository, name)), { recursive: true });
    await writeFile(join(repository, name), text);
  }
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", repository, "-c", "user.name=T", "-c", "user.email=t@example.org", ...args]);
  git("init", "-q", "-b", "main");
  git("add", ".");
  git("commit", "-qm", "one");
  const processes = new Set<ChildProcess>();
  const dataFolders = new Set<string>();
  return {
    folder,
    repository,
    processes,
    dataFolders,
    data: (name) => join(folder, name),
    async objects() {
      const owners = Array.from(dataFolders, ownerOf);
      return (await Promise.all(owners.map((owner) => objectsOf(owner)))).flat();
    },
    async [Symbol.asyncDispose]() {
      const ends = Array.from(processes, (child) => once(child, "close"));
      for (const child of processes) child.kill("SIGKILL");
      await Promise.all(ends);
      for (const path of dataFolders) {
        const owner = whoOwns(path);
        if (owner !== undefined) await removeObjectsOf(owner);
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** As `ownerOf`; undefined if the folder has none because its program failed or was killed early. */
function whoOwns(dataFolder: string): string | undefined {
  try {
    return ownerOf(dataFolder);
  } catch {
    return undefined;
  }
}

/** The label of all that belongs to a data folder. */
function ownerOf(dataFolder: string): string {
  const database = new DatabaseSync(join(dataFolder, "conveyor.db"), { readOnly: true });
  try {
    return String(database.prepare("SELECT value FROM meta WHERE key = 'owner'").get()?.["value"]);
  } finally {
    database.close();
  }
}
