import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { UnavailableError } from "../../base/errors.ts";
import { refuseLinks } from "../../base/files.ts";
import { homeFolder } from "../../base/home-folder.ts";
import type { Environment } from "./command-line/environment.ts";

/**
 * Returns the folder for the database, logs and artifacts of past runs: the named folder, otherwise the
 * user's state folder. Throws UnavailableError if the user has no home folder, or if the named folder is
 * below the working folder and its path contains a symbolic link: somebody else may control that tree, and
 * the link could lead anywhere.
 */
export function dataFolder(named: string | undefined, environment: Environment): string {
  if (named !== undefined) return withoutLinks(resolve(named));
  const state = environment.XDG_STATE_HOME;
  if (state && isAbsolute(state)) return join(state, "flutter-ci");
  const home = homeFolder(environment);
  if (home !== undefined) return join(home, ".local", "state", "flutter-ci");
  throw new UnavailableError("There is no data folder: this user has no home folder", {
    hint: "Set HOME, or name a folder with --data.",
  });
}

function withoutLinks(folder: string): string {
  const segments = relative(resolve("."), folder).split(sep);
  if (segments[0] === ".." || isAbsolute(segments[0] ?? "")) return folder;
  refuseLinks(...segments.map((_, i) => resolve(...segments.slice(0, i + 1))));
  return folder;
}
