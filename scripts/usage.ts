/** Prints wrong usage in one line on stderr, and exits with 2. */
import { parseArgs, type ParseArgsConfig } from "node:util";

/** Reads the command line. Exits with 2 at a flag that `config` does not have. */
export function flagsOf<const T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

export function refuse(message: string): never {
  console.error(`error: ${message}`);
  process.exit(2);
}
