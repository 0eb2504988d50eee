import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InputError, messageOf, UnavailableError } from "../../base/errors.ts";
import { BUILD_DRIVERS } from "../../build/pipeline.ts";
import { version } from "../../driver/program/command-line/version.ts";
import { driverFiles } from "./driver-files.ts";

/**
 * Writes a new driver to a folder in the current folder. Returns what to do with it. Throws InputError if the
 * folder exists.
 */
export async function writeDriver(name: string): Promise<string> {
  if (BUILD_DRIVERS.includes(name)) {
    throw new InputError(`"${name}" is a driver of every build: expected another name`);
  }
  try {
    await mkdir(name);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") {
      throw new InputError(`There is "${name}" already: expected a name of which there is nothing here`);
    }
    throw new UnavailableError(`Cannot make the folder "${name}": ${messageOf(error)}`, { cause: error });
  }
  const files = driverFiles(name, version());
  for (const [file, text] of Object.entries(files)) await writeFile(join(name, file), text, { flag: "wx" });
  return [
    `${name}/ has a driver, its test and its manifest. Next:`,
    `  cd ${name}`,
    `  bun install && bun test               (or: deno install && deno test -A)`,
    `  flutter-ci run --driver ./${name}.ts    (from here: as a step of a build)`,
    "",
  ].join("\n");
}
