import { lstatSync } from "node:fs";
import { join, resolve } from "node:path";
import { geteuid } from "node:process";
import { InputError } from "../../../base/errors.ts";
import { readIfThere } from "../../../base/files.ts";
import { homeFolder } from "../../../base/home-folder.ts";
import { type Config, parseConfig } from "./config.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Throws InputError if one of a repository's paths belongs to another user, as git does (`safe.directory`):
 * the owner controls what is read with our permissions. Root may also build what belongs to the user who
 * called sudo. The user's own git configuration may exempt `folder`.
 */
export async function refuseOthers(
  paths: readonly string[],
  { folder, environment }: { folder: string; environment: Environment },
): Promise<void> {
  const stranger = paths.find((path) => !isOurs(path, environment));
  if (stranger === undefined || isSafe(folder, safeDirectories(await userConfig(environment), environment))) {
    return;
  }
  throw new InputError(
    `Cannot build "${folder}": "${stranger}" belongs to user ${
      lstatSync(stranger).uid
    }, not to us (user ${geteuid?.()}); ` +
      `build as that user, build a clone of your own, or trust it with: git config --global --add safe.directory ${
        /^[\w./-]+$/.test(folder) ? folder : `'${folder.replaceAll("'", "'\\''")}'`
      }`,
  );
}

/**
 * Whether a path belongs to the effective user, or, for root, to the user who called sudo. True on systems
 * without users.
 */
export function isOurs(path: string, { SUDO_UID }: Environment): boolean {
  const own = geteuid?.();
  if (own === undefined) return true;
  const { uid } = lstatSync(path);
  return uid === own || (own === 0 && SUDO_UID !== undefined && uid === Number(SUDO_UID));
}

/**
 * Returns git's configuration of the user and the machine, without the repository's. Does not follow
 * includes.
 */
export async function userConfig(environment: Environment): Promise<Config> {
  const home = homeFolder(environment);
  const settings = environment.XDG_CONFIG_HOME || (home && join(home, ".config"));
  const files = [
    "/etc/gitconfig",
    ...settings ? [join(settings, "git", "config")] : [],
    ...home ? [join(home, ".gitconfig")] : [],
  ];
  const texts = await Promise.all(files.map(readIfThere));
  return texts.flatMap((text) => [...parseConfig(text ?? "")]);
}

function safeDirectories(config: Config, environment: Environment): string[] {
  const home = homeFolder(environment);
  const values = config.filter(([key]) => key === "safe.directory").map(([, value]) => value);
  // An empty value clears those before it.
  return values.slice(values.lastIndexOf("") + 1)
    .map((value) => home !== undefined && value.startsWith("~/") ? join(home, value.slice(2)) : value);
}

function isSafe(folder: string, safe: readonly string[]): boolean {
  return safe.some((value) =>
    value === "*" || resolve(value) === folder ||
    (value.endsWith("/*") && folder.startsWith(`${resolve(value.slice(0, -2))}/`))
  );
}
