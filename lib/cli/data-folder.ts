import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import type { Environment } from "./environment.ts";

/** Where the database, logs and artifacts of past runs are: as named, else where the user keeps what programs remember. */
export function dataFolder(named: string | undefined, environment: Environment): string {
  if (named !== undefined) return resolve(named);
  const state = environment.XDG_STATE_HOME;
  const base = state && isAbsolute(state) ? state : join(homeFolder(environment), ".local", "state");
  return join(base, "flutter-ci");
}

export const homeFolder = (environment: Environment): string => environment.HOME || homedir();
