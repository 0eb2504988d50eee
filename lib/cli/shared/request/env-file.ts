import { InputError } from "../../../base/errors.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import { readInputFile } from "../../../driver/program/command-line/read-input-file.ts";

export interface Variable {
  readonly name: string;
  readonly value: string;
}

/**
 * Reads files of variables by the rules of `docker run --env-file`: one `NAME=VALUE` a line, the value as it
 * stands; `NAME` alone takes the caller's value, if there is one; empty lines and those that begin with `#`
 * do not count. The last one of a name wins. Throws InputError that names file and line.
 */
export async function readEnvFiles(paths: readonly string[], environment: Environment): Promise<Variable[]> {
  const found = new Map<string, string>();
  for (const path of paths) {
    const text = (await readInputFile("--env-file", path)).replace(/^\uFEFF/, "");
    for (const [i, line] of text.split("\n").entries()) {
      const variable = parseLine(line.replace(/\r$/, ""), `${path}:${i + 1}`, environment);
      if (variable) found.set(variable.name, variable.value);
    }
  }
  return [...found].map(([name, value]) => ({ name, value }));
}

function parseLine(line: string, place: string, environment: Environment): Variable | undefined {
  const text = line.trimStart();
  if (text === "" || text.startsWith("#")) return undefined;
  const at = text.indexOf("=");
  const name = at === -1 ? text : text.slice(0, at);
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    // The rest of the line may be a secret.
    throw new InputError(
      `${place}: Invalid name ${
        JSON.stringify(name.slice(0, 60))
      }: expected a variable's name: letters, digits and _`,
    );
  }
  const value = at === -1 ? environment[name] : text.slice(at + 1);
  if (value?.includes("\0")) throw new InputError(`${place}: The value of ${name} has a NUL: expected none`);
  return value === undefined ? undefined : { name, value };
}
