import { DockerError } from "../docker/docker.ts";

/** Several removals, of which none depends on another. */
export interface Removals {
  /** Removes something. If Docker cannot, that is noted and this returns undefined. */
  attempt<T>(remove: () => Promise<T>): Promise<T | undefined>;
  /** Throws the first error that was noted. */
  check(): void;
}

export function removals(onFailure?: (error: DockerError) => void): Removals {
  const failures: DockerError[] = [];
  return {
    async attempt(remove) {
      try {
        return await remove();
      } catch (error) {
        if (!(error instanceof DockerError)) throw error;
        if (onFailure) onFailure(error);
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
