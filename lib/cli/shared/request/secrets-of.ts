import { InputError } from "../../../base/errors.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";

/**
 * Returns the values of secrets from the caller's environment. Throws InputError that names each one without
 * a value.
 */
export function secretsOf(names: readonly string[], environment: Environment): Record<string, string> {
  const missing = names.filter((name) => !environment[name]);
  if (missing.length > 0) throw new InputError(missing.map(problemOf).join("\n"));
  return Object.fromEntries(names.map((name) => [name, environment[name] ?? ""]));
}

const problemOf = (name: string): string =>
  `Cannot take the secret "${name}": expected a variable of that name with a value here`;
