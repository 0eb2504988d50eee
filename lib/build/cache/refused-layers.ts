import { backOff } from "../../base/retry.ts";
import type { Docker } from "../../docker/docker.ts";

/** After this many refusals in a row, layers are not tried for a while. */
const MOST_REFUSALS = 2;
/** The first such pause, which doubles with each further refusal, and the longest one, milliseconds. */
const FIRST_PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 3_600_000;

/**
 * Remembers which daemons refused to mount layers although the same caches could be copied. Nothing in a
 * refusal tells whether the daemon can never do it or could not do it just then, so layers are tried again.
 */
export class RefusedLayers {
  readonly #refused = new WeakMap<Docker, { count: number; until: number }>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** False during a pause. */
  mayTry(docker: Docker): boolean {
    return this.#now() >= (this.#refused.get(docker)?.until ?? -Infinity);
  }

  refused(docker: Docker): void {
    const count = (this.#refused.get(docker)?.count ?? 0) + 1;
    const further = count - MOST_REFUSALS;
    const pause = further < 0 ? 0 : backOff(further + 1, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    this.#refused.set(docker, { count, until: this.#now() + pause });
  }

  worked(docker: Docker): void {
    this.#refused.delete(docker);
  }
}
