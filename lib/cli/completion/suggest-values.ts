import { resolve } from "node:path";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { homeFolder } from "../../base/home-folder.ts";
import { timeoutSignal } from "../../base/timers.ts";
import { openLocalSource } from "../../build/git/local-source.ts";
import { Refs } from "../../build/git/local/refs.ts";
import { BUILD_DRIVERS } from "../../build/pipeline.ts";
import { parseRepository } from "../../build/repository.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { reachDocker } from "../../driver/program/reach-docker.ts";
import { commandOf, flagOf, lineOf } from "./line.ts";
import { type Suggestion, wantsValue } from "./suggest.ts";

/** How long Docker may take to answer a key press, milliseconds. */
const PATIENCE_MS = 1500;
const MOST = 500;
/** What no shell takes for anything but a word: bash puts suggestions on the line without quoting them. */
const HARMLESS = /^[A-Za-z0-9][A-Za-z0-9._/:@+,=-]*$/;

/**
 * The parts of the line from which a flag's value is completed. Nothing of it is run, and only the Docker
 * that it names is asked.
 */
interface Typed {
  /** What is typed of the value. */
  readonly begun: string;
  /** Where Docker is, if the line or the environment says so. */
  readonly docker: string | undefined;
  /** The repository on the line. */
  readonly repository: string | undefined;
}

/** Returns what exists for the value of a flag, by flag. */
const VALUES: Readonly<Record<string, (typed: Typed) => Promise<string[]>>> = {
  "--image": images,
  "--git-image": images,
  "--allow-image": images,
  "--ref": refs,
  "--drivers": drivers,
};

/**
 * Returns suggestions for the value of the flag that the last word belongs to. Returns none on any error: a
 * key press must not print errors.
 */
export async function valuesFor(
  program: CommandUnknownOpts,
  words: readonly string[],
): Promise<Suggestion[]> {
  const wanted = wantsValue(program, words);
  const find = wanted && Object.hasOwn(VALUES, wanted.flag) ? VALUES[wanted.flag] : undefined;
  const command = commandOf(program, words);
  if (!wanted || !find || !command) return [];
  try {
    const { values: given, operands: [first] } = lineOf(command, words);
    const variable = flagOf(command, "--docker")?.envVar;
    const docker = given.get("--docker") ?? (variable === undefined ? undefined : environment[variable]);
    const [operand] = command.registeredArguments;
    const repository = operand?.name() === "repository" ? first : undefined;
    const values = await find({ begun: wanted.begun, docker, repository });
    return values.filter((value) => HARMLESS.test(value)).slice(0, MOST).map((value) => ({
      value,
      why: "",
    }));
  } catch {
    return [];
  }
}

async function images({ docker: endpoint }: Typed): Promise<string[]> {
  const signal = timeoutSignal(PATIENCE_MS);
  await using reaching = reachDocker({ endpoint, environment, signal });
  const { docker } = await reaching.answer;
  return await docker.imageNames({ signal });
}

/**
 * The branches and tags of the repository on the line, else of the one in this folder; none of a remote one.
 */
async function refs({ repository = "." }: Typed): Promise<string[]> {
  const parsed = parseRepository(repository);
  if (parsed.kind !== "local") return [];
  // The shell has not expanded the line.
  const path = parsed.path.replace(/^~(?=\/|$)/, homeFolder(environment) ?? "~");
  const all = new Refs(await openLocalSource(resolve(path), { environment }));
  return ["heads", "tags"].flatMap((kind) =>
    [...all.list(kind)].map(({ name }) => name.replace(/^refs\/(?:heads|tags)\//, ""))
  );
}

/** Completes the last name of a list with commas. */
function drivers({ begun }: Typed): Promise<string[]> {
  const before = begun.slice(0, begun.lastIndexOf(",") + 1);
  const named = before.split(",");
  const words = before === "" ? ["all", "none", ...BUILD_DRIVERS] : BUILD_DRIVERS;
  return Promise.resolve(words.filter((name) => !named.includes(name)).map((name) => `${before}${name}`));
}
