import { processLog } from "../base/log.ts";
import { type Docker, DockerError } from "../docker/docker.ts";

/** Several removals, of which none depends on another. */
export interface Removals {
  /** Removes something, here called `name`. If Docker cannot, that is noted and this returns undefined. */
  attempt<T>(remove: () => Promise<T>, name?: string): Promise<T | undefined>;
  /** Throws the first error that was noted. */
  check(): void;
}

/** Called with what Docker could not remove, and why. */
export type OnFailure = (error: DockerError, name: string) => void;

/** Says it in the process's own log. */
export const warnOfFailure: OnFailure = ({ message: why }, name) =>
  processLog("driver").warn("Cannot remove {name}: {why}", { name, why });

/** What was warned of, by daemon. */
const WARNED = new WeakMap<Docker, Set<string>>();

/** Says it once for each name: whoever waits for room tries to make some again and again. */
export function warnOnce(docker: Docker): OnFailure {
  const warned = WARNED.get(docker) ?? new Set();
  WARNED.set(docker, warned);
  return (error, name) => {
    if (!warned.has(name)) warnOfFailure(error, name);
    warned.add(name);
  };
}

export function removals(onFailure?: OnFailure, onAttempt?: (name: string) => void): Removals {
  const failures: DockerError[] = [];
  return {
    async attempt(remove, name = "") {
      onAttempt?.(name);
      try {
        return await remove();
      } catch (error) {
        if (!(error instanceof DockerError)) throw error;
        if (onFailure) onFailure(error, name);
        else failures.push(error);
        return undefined;
      }
    },
    check() {
      const [failure] = failures;
      if (failure) throw failure;
    },
  };
}
