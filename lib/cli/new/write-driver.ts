import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { InputError, messageOf, UnavailableError } from "../../base/errors.ts";
import { readIfThere } from "../../base/files.ts";
import { parseJson } from "../../base/json.ts";
import { BUILD_DRIVERS } from "../../build/pipeline.ts";
import { version } from "../../driver/program/command-line/version.ts";
import { driverFiles } from "./driver-files.ts";

/**
 * Writes a new driver to a folder in the current folder. `package`: the folder of the package
 * `conveyor-drivers`, by default a registry's. Returns what to do with it. Throws InputError if the new
 * folder exists or the package does not.
 */
export async function writeDriver(name: string, options: { package?: string | undefined }): Promise<string> {
  if (BUILD_DRIVERS.includes(name)) {
    throw new InputError(`"${name}" is a driver of every build: expected another name`);
  }
  const packageFolder = options.package === undefined ? undefined : await packageIn(options.package);
  try {
    await mkdir(name);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") {
      throw new InputError(`There is "${name}" already: expected a name of which there is nothing here`);
    }
    throw new UnavailableError(`Cannot make the folder "${name}": ${messageOf(error)}`, { cause: error });
  }
  const files = driverFiles(name, { version: version(), packageFolder });
  for (const [file, text] of Object.entries(files)) await writeFile(join(name, file), text, { flag: "wx" });
  return [
    `${name}/ has a driver, its test and its manifest. Next:`,
    `  cd ${name}`,
    `  bun install && bun test               (or: deno install && deno test -A)`,
    `  flutter-ci run --driver ./${name}.ts    (from here: as a step of a build)`,
    "",
  ].join("\n");
}

/** Returns the package's absolute path. Throws InputError if the folder holds another or none. */
async function packageIn(folder: string): Promise<string> {
  const path = resolve(folder);
  const manifest = manifestOf(await readIfThere(join(path, "package.json")) ?? "");
  // The manifest of a checkout has the same name, and is private.
  if (manifest?.name === "conveyor-drivers" && manifest.private !== true) return path;
  throw new InputError(
    `There is no package conveyor-drivers in "${folder}": expected the folder that scripts/package made`,
  );
}

function manifestOf(text: string): { name?: unknown; private?: unknown } | undefined {
  try {
    return (parseJson(text) ?? undefined) as { name?: unknown; private?: unknown } | undefined;
  } catch {
    return undefined;
  }
}
