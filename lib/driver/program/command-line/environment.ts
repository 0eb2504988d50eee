import { messageOf, UnavailableError } from "../../../base/errors.ts";

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * This process's own environment; files of the working folder are never read into it. Only this module reads
 * it; all other code gets the values that it needs.
 */
export const environment: Environment = process.env;

/**
 * Changes to the folder from which the user called us. The wrappers in `bin/` start a runtime in our own
 * folder, because a runtime reads settings of its working folder, and put the caller's folder into a
 * variable. Throws UnavailableError if that folder does not exist any more.
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
