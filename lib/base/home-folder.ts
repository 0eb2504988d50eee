import { homedir } from "node:os";

/**
 * Returns the user's home folder: `HOME`, or what the system knows. Undefined for a user whom it does not
 * know, as a number given to a container or a service often is.
 */
export function homeFolder({ HOME }: Readonly<Record<string, string | undefined>>): string | undefined {
  if (HOME) return HOME;
  try {
    return homedir() || undefined;
  } catch {
    return undefined;
  }
}
