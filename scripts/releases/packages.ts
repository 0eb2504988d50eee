import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A package of which files are in a program. */
export interface Package {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression. */
  readonly license: string;
  /** What its licence and notice files say. */
  readonly texts: readonly string[];
  /** Names of the packages in the program that it depends on. */
  readonly dependencies: readonly string[];
  /** SHA-512 of what the registry has, in hexadecimal, as bun.lock says. */
  readonly sha512: string | undefined;
}

/** What stands in for packages that no program needs (.packages/empty) is ours. */
const OWN = new Set(["conveyor-drivers", "empty"]);

/** The packages to which these source files belong, sorted by name. Throws where one has no licence. */
export function packagesOf(root: string, files: readonly string[]): Package[] {
  const folders = new Set(files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? ""));
  folders.delete("");
  const manifests = [...folders].map((folder) => ({
    folder: join(root, folder),
    manifest: JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")),
  })).filter(({ manifest }) => !OWN.has(manifest.name));
  const names = new Set<string>(manifests.map(({ manifest }) => manifest.name));
  const lock = readFileSync(join(root, "bun.lock"), "utf8");
  return manifests.map(({ folder, manifest }) => {
    const { name, version, license, dependencies = {} } = manifest;
    if (typeof license !== "string") {
      throw new Error(`${name} ${version} names no licence in its package.json`);
    }
    return {
      name,
      version,
      license,
      texts: textsOf(folder),
      dependencies: Object.keys(dependencies).filter((other) => names.has(other)).sort(),
      sha512: sha512Of(lock, name, version),
    };
  }).sort((a, b) => a.name < b.name ? -1 : 1);
}

/** Names of those among `packages` that this project itself depends on. */
export function directOf(root: string, packages: readonly Package[]): string[] {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return packages.map(({ name }) => name).filter((name) => Object.hasOwn(dependencies, name));
}

function textsOf(folder: string): string[] {
  return readdirSync(folder).filter((name) => /^(?:licen[cs]e|copying|notice)(?:$|[.-])/i.test(name)).sort()
    .map((name) => readFileSync(join(folder, name), "utf8").trim());
}

function sha512Of(lock: string, name: string, version: string): string | undefined {
  const line = lock.split("\n").find((line) => line.includes(`["${name}@${version}"`));
  const [, base64] = /"sha512-([A-Za-z0-9+/=]+)"/.exec(line ?? "") ?? [];
  return base64 === undefined ? undefined : Buffer.from(base64, "base64").toString("hex");
}
