import { homedir } from "node:os";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { refuseLinks } from "../../base/files.ts";
import type { Environment } from "./command-line/environment.ts";

/**
 * Returns the folder for the database, logs and artifacts of past runs: the named folder, otherwise the
 * user's state folder. Throws UnavailableError if the named folder is below the working folder and its path
 * contains a symbolic link: somebody else may control that tree, and the link could lead anywhere.
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
