import { makeOriginals, type Originals, readMutated } from "../../../tests/build/mutated-source.ts";

const originals = new Map<string, Originals>();

/** Reads local repositories that are damaged in random ways. */
export async function fuzzSource(seed: number): Promise<void> {
  const made = originals.get("") ?? makeOriginals();
  if (!originals.has("")) process.on("exit", () => made[Symbol.dispose]());
  originals.set("", made);
  await readMutated(made, seed);
}
