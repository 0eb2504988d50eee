import { InputError } from "../../../base/errors.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";

/**
 * Returns the values of secrets from the caller's environment. Throws InputError that names each one without
 * a value.
 */
export function secretsOf(names: readonly string[], environment: Environment): Record<string, string> {
  const secrets: Record<string, string> = {};
  const problems: string[] = [];
  for (const name of names) {
    const value = environment[name];
    if (value) secrets[name] = value;
    else {problems.push(
        `Cannot take the secret "${name}": expected a variable of that name with a value here`,
      );}
  }
  if (problems.length > 0) throw new InputError(problems.join("\n"));
  return secrets;
}
