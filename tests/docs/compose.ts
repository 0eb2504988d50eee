import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { root, startProgram } from "../cli/start-program.ts";

/** A file that Compose shows to a service, by its name or as a name and a path. */
export type Shown = string | { readonly source: string; readonly target: string };

export interface Service {
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly restart: string;
  readonly user: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
  readonly secrets: readonly Shown[];
  readonly configs?: readonly Shown[];
  readonly depends_on?: readonly string[];
  readonly volumes: readonly string[];
  readonly networks: readonly string[];
  readonly ports?: readonly string[];
  readonly deploy?: { readonly replicas: number };
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: object;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly configs: Readonly<Record<string, { readonly file: string }>>;
}

export const DRIVERS = ["container-start", "git-cloner", "builder", "container-stop"];

export const readCompose = async (): Promise<Compose> =>
  parse(await readFile(join(root, "docs/compose/compose.yaml"), "utf8"), { merge: true });

/**
 * Runs `setup` for a folder, with a program that only says its version, a Docker that only takes what it is
 * given, and the group of a socket that need not be there. `scripts` are further commands by name, or replace
 * these.
 */
export async function setUp(
  folder: string,
  words: readonly string[] = [join(folder, "fleet")],
  { scripts = {}, env = {} }: {
    scripts?: Readonly<Record<string, string>>;
    env?: Record<string, string>;
  } = {},
) {
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  const script = (name: string, text: string) =>
    writeFile(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  const imported = `tar -t >'${folder}/image.list'; echo sha256:1234`;
  await script("docker", `echo "$@" >>'${folder}/docker.log'; case $1 in import) ${imported} ;; esac`);
  await script("flutter-ci", 'echo "1.2.3+4 (commit 0123456789ab, linux-x64)"');
  await script("ldd", "echo '/bin/sh (0x1)'");
  await script("stat", 'case "$*" in *docker.sock) echo 999 ;; *) command -p stat "$@" ;; esac');
  for (const [name, text] of Object.entries(scripts)) await script(name, text);
  await using setup = startProgram("/bin/sh", [
    join(root, "docs/compose/setup"),
    ...words,
    ...words.length === 1 ? [join(bin, "flutter-ci")] : [],
  ], { cwd: folder, env: { PATH: `${bin}:${process.env.PATH}`, ...env } });
  return await setup.ended;
}
