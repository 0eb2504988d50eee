import { messageOf, UnavailableError } from "../../../base/errors.ts";

/** Variables by name, as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * This process's own environment: the real one, never a file of the folder we stand in. The only place that reads it;
 * everything else is given what it needs.
 */
export const environment: Environment = process.env;

/**
 * Goes to the folder in which the user called us. The wrappers in `bin/` start a runtime in our own folder, because it
 * reads settings of the folder it is started in, and leave the caller's folder in a variable. Throws UnavailableError
 * where that folder is gone.
 */
export function returnToCaller(): void {
  const folder = process.env.CONVEYOR_STARTED_IN;
  if (folder === undefined) return;
  delete process.env.CONVEYOR_STARTED_IN;
  try {
    process.chdir(folder);
  } catch (error) {
    throw new UnavailableError(`Cannot work in "${folder}": ${messageOf(error)}`, { cause: error });
  }
}
