import type { Clock } from "../../base/clock.ts";
import type { Transport } from "../transport.ts";
import type { Lifetime } from "./lifetime.ts";

interface Mark {
  readonly text: string;
  readonly revision: number;
  readonly at: number;
}

/**
 * Marks in memory: no other process reads or writes those of this scope. A mark expires a day after it was
 * written.
 */
export function marks(
  lifetime: Lifetime,
  clock: Clock,
  all = new Map<string, Mark>(),
): Pick<Transport, "readMark" | "writeMark"> {
  let last = 0;
  const read = (name: string): Mark | undefined => {
    // The map is in the order of writing.
    for (const [old, { at }] of all) {
      if (clock() - at < KEPT_MS) break;
      all.delete(old);
    }
    return all.get(name);
  };
  return {
    readMark: (name) =>
      lifetime.call(() => {
        const mark = read(name);
        return mark && { text: mark.text, revision: mark.revision };
      }),
    writeMark: (name, text, revision) =>
      lifetime.call(() => {
        if (revision !== (read(name)?.revision ?? 0)) return undefined;
        all.delete(name);
        // Revisions are never reused, not even those of expired marks.
        all.set(name, { text, revision: ++last, at: clock() });
        return last;
      }),
  };
}

const KEPT_MS = 86_400_000;
