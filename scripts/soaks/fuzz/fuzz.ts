import { fuzzArchive } from "./archive.ts";
import { fuzzDemultiplexer } from "./demultiplexer.ts";
import { fuzzEvent } from "./event.ts";
import { fuzzGlob } from "./glob.ts";
import { fuzzMask } from "./mask.ts";
import { fuzzSource } from "./source.ts";

/** Tries one random input, the same for the same number. Throws if something is wrong. */
export type Fuzz = (seed: number) => void | Promise<void>;

/** All fuzzers by name. */
const TARGETS: Readonly<Record<string, Fuzz>> = {
  mask: fuzzMask,
  demultiplexer: fuzzDemultiplexer,
  event: fuzzEvent,
  glob: fuzzGlob,
  archive: fuzzArchive,
  source: fuzzSource,
};

/**
 * Fuzzes everything for `ms` in all, and prints how many inputs were tried. Returns false if one went wrong.
 */
export async function fuzz(ms: number): Promise<boolean> {
  let isRight = true;
  console.log("| target | inputs | wrong |");
  console.log("| --- | --- | --- |");
  for (const [name, target] of Object.entries(TARGETS)) {
    const { tried, wrong } = await tryAll(target, ms / Object.keys(TARGETS).length);
    console.log(`| ${name} | ${tried} | ${wrong.length} |`);
    for (const what of wrong) console.error(`error: ${name}: ${what}`);
    isRight &&= wrong.length === 0;
  }
  return isRight;
}

/** Inputs have other seeds every day. A failure is printed with its seed. */
async function tryAll(target: Fuzz, ms: number): Promise<{ tried: number; wrong: string[] }> {
  const wrong: string[] = [];
  const first = Math.floor(Date.now() / 1000) * 1000;
  const end = performance.now() + ms;
  let tried = 0;
  for (; performance.now() < end && wrong.length < 10; tried++) {
    try {
      await endsInTime(target, first + tried);
    } catch (error) {
      wrong.push(`seed ${first + tried}: ${error instanceof Error ? error.stack : error}`);
    }
  }
  return { tried, wrong };
}

/** Rejects if an input takes more than a minute: that is a hang even on a busy machine. */
async function endsInTime(target: Fuzz, seed: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("does not come to an end")), 60_000);
  try {
    await Promise.race([target(seed), promise]);
  } finally {
    clearTimeout(timer);
  }
}
