import type { Transport } from "../transport.ts";
import type { Lifetime } from "./lifetime.ts";

/** Marks in memory: nobody outside of this process reads or writes those of its scope. */
export function marks(lifetime: Lifetime): Pick<Transport, "readMark" | "writeMark"> {
  const all = new Map<string, { text: string; revision: number }>();
  return {
    readMark: (name) => lifetime.call(() => all.get(name)),
    writeMark: (name, text, revision) =>
      lifetime.call(() => {
        if (revision !== (all.get(name)?.revision ?? 0)) return undefined;
        all.set(name, { text, revision: revision + 1 });
        return revision + 1;
      }),
  };
}
