import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { systemClock } from "../../base/clock.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { ago } from "../shared/render/run-words.ts";
import { openRuns, type RunsOptions } from "../shared/runs/open-runs.ts";
import { listRuns } from "../shared/runs/resolve-run.ts";
import { commandOf, lineOf } from "./line.ts";
import { type Suggestion, wantsRun } from "./suggest.ts";

const MOST = 20;
/** Flags on the line that select whose runs to list. */
const WHOSE: Readonly<Record<string, keyof RunsOptions>> = {
  "--api": "api",
  "--token-file": "tokenFile",
  "--tls-ca": "tlsCa",
  "--data": "data",
};

/**
 * Returns the newest runs if the last word may be a run. Returns none on any error: a key press must not
 * print errors.
 */
export async function runsFor(program: CommandUnknownOpts, words: readonly string[]): Promise<Suggestion[]> {
  if (!wantsRun(program, words)) return [];
  try {
    await using opened = await openRuns(flagsIn(program, words), environment);
    const { runs } = await listRuns(opened.call, { limit: String(MOST) });
    const now = systemClock();
    return runs.map(({ id, status, resource, createdAt }) => ({
      value: id,
      why: `${status}, ${resource.name}, ${ago(createdAt, now)}`.replace(/[^\x20-\x7e]/g, "?"),
    }));
  } catch {
    return [];
  }
}

function flagsIn(program: CommandUnknownOpts, words: readonly string[]): RunsOptions {
  const command = commandOf(program, words);
  const options: { -readonly [K in keyof RunsOptions]: RunsOptions[K] } = {};
  for (const [flag, value] of command ? lineOf(command, words).values : []) {
    const option = WHOSE[flag];
    if (option !== undefined) options[option] = value;
  }
  return options;
}
