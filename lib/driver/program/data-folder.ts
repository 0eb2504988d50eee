import { homedir } from "node:os";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { refuseLinks } from "../../base/files.ts";
import type { Environment } from "./command-line/environment.ts";

/**
 * The folder with database, logs and artifacts of past runs: the named one, else the user's folder for state. Throws
 * UnavailableError where the named one lies below the working folder and a symbolic link is on the way: that tree may be
 * somebody else's, and could lead us anywhere.
 */
export function dataFolder(named: string | undefined, environment: Environment): string {
  if (named !== undefined) return withoutLinks(resolve(named));
  const state = environment.XDG_STATE_HOME;
  const base = state && isAbsolute(state) ? state : join(homeFolder(environment), ".local", "state");
  return join(base, "flutter-ci");
}

export const homeFolder = (environment: Environment): string => environment.HOME || homedir();

function withoutLinks(folder: string): string {
  const segments = relative(resolve("."), folder).split(sep);
  if (segments[0] === ".." || isAbsolute(segments[0] ?? "")) return folder;
  refuseLinks(...segments.map((_, i) => resolve(...segments.slice(0, i + 1))));
  return folder;
}
