import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { timeoutSignal } from "../../base/timers.ts";
import { openLocalSource } from "../../build/git/local-source.ts";
import { Refs } from "../../build/git/local/refs.ts";
import { BUILD_DRIVERS } from "../../build/pipeline.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { reachDocker } from "../../driver/program/reach-docker.ts";
import { type Suggestion, wantsValue } from "./suggest.ts";

/** How long Docker may take to answer a key press, milliseconds. */
const PATIENCE_MS = 1500;
const MOST = 500;

/** Returns what exists here for the value of a flag, by flag. `begun`: what is typed of it. */
const VALUES: Readonly<Record<string, (begun: string) => Promise<string[]>>> = {
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
  if (!wanted || !find) return [];
  try {
    const values = await find(wanted.begun);
    return values.filter((value) => /^[\x21-\x7e]+$/.test(value)).slice(0, MOST).map((value) => ({
      value,
      why: "",
    }));
  } catch {
    return [];
  }
}

async function images(): Promise<string[]> {
  const signal = timeoutSignal(PATIENCE_MS);
  await using reaching = reachDocker({ endpoint: undefined, environment, signal });
  const { docker } = await reaching.answer;
  return await docker.imageNames({ signal });
}

/** The branches and tags of the repository in this folder. */
async function refs(): Promise<string[]> {
  const all = new Refs(await openLocalSource(".", { environment }));
  return ["heads", "tags"].flatMap((kind) =>
    [...all.list(kind)].map(({ name }) => name.replace(/^refs\/(?:heads|tags)\//, ""))
  );
}

/** A list with commas, of which the last name is completed. */
function drivers(begun: string): Promise<string[]> {
  const before = begun.slice(0, begun.lastIndexOf(",") + 1);
  const named = before.split(",");
  const words = before === "" ? ["all", "none", ...BUILD_DRIVERS] : BUILD_DRIVERS;
  return Promise.resolve(words.filter((name) => !named.includes(name)).map((name) => `${before}${name}`));
}
