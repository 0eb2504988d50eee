import { spawnSync } from "node:child_process";
import { mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { root, startProgram } from "../cli/start-program.ts";
import { run } from "./made-release.ts";

export const installer = join(root, "scripts/install.sh");
/** The shells that have to do: in CI both, elsewhere those that are there. */
export const SHELLS = [["dash"], ["busybox", "sh"]].filter(([path = ""]) =>
  process.env.CI === "true" || spawnSync(path, ["-c", "true"]).error === undefined
);

export interface Installing {
  readonly shell?: readonly string[];
  readonly path?: string;
  readonly env?: Record<string, string>;
  /** The installer, where it is not that of this tree. */
  readonly script?: string;
}

/** Runs the installer, with a home and temporary folder below `folder`, for linux-x64. */
export function install(folder: string, words: readonly string[], options: Installing = {}) {
  const { shell = ["sh"], path, env = {}, script = installer } = options;
  const [program = "sh", ...first] = shell;
  return startProgram(program, [...first, script, ...words], {
    env: { ...environmentIn(folder), ...env, ...path !== undefined && { PATH: path } },
    cwd: folder,
  }).ended;
}

export const environmentIn = (folder: string) => ({
  HOME: join(folder, "home"),
  TMPDIR: folder,
  NO_PROXY: "127.0.0.1",
});
export const TARGET = ["--target", "linux-x64"];

/** A folder with the tools that the installer needs, and one to download with. */
export async function folderOfTools(folder: string, downloader: string | undefined): Promise<string> {
  await mkdir(folder);
  const tools =
    "sh awk cat cp cut find grep gzip head id ln mkdir mktemp mv rm rmdir sed sha256sum sort tail tar tr uname wc"
      .split(" ");
  for (const name of [...tools, ...downloader === undefined ? [] : [downloader]]) {
    const { stdout } = await run("sh", ["-c", `command -v ${name}`]);
    await symlink(stdout.trim(), join(folder, name));
  }
  return folder;
}

/** Where the installer keeps a download that was cut off. */
export async function partOf(folder: string, release: string): Promise<{ part: string; archive: Buffer }> {
  const cache = join(folder, "home/.cache/flutter-ci");
  await mkdir(cache, { recursive: true });
  const [sum] = (await readFile(join(release, "SHA256SUMS"), "utf8")).split(" ");
  const name = "flutter-ci-0.1.0-linux-x64.tar.gz";
  return { part: join(cache, `${name}.${sum}.part`), archive: await readFile(join(release, name)) };
}
