import { mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openEmbedded, openHistory } from "../../../lib/backend/embedded/embedded.ts";
import { freeBytes, sizeOf } from "../../../lib/backend/embedded/disk.ts";
import { UnavailableError } from "../../../lib/base/errors.ts";
import { publishBatch, RUN, runOf } from "../store-conformance/opened.ts";

/**
 * `reopen DISK HOW`: makes a data folder with a run and its log, and fills the disk to the last byte. Prints
 * what comes of opening the folder to `read` or to `work`, and of the same after filling the disk again, as
 * JSON.
 */
const [disk = "", how = ""] = process.argv.slice(2);
const folder = join(disk, "data");
mkdirSync(folder);
{
  await using embedded = await openEmbedded({ folder, scope: "up" });
  await embedded.store.runs.put(RUN, runOf(RUN), 0);
  await publishBatch(embedded.transport, ["a line"]);
}
const reserve = sizeOf(join(folder, "reserve"));

fill("first");
const free = freeBytes(folder);
const first = await outcomeOf(how === "read" ? readRuns : work);
const spent = reserve - sizeOf(join(folder, "reserve"));
fill("second");
const again = await outcomeOf(how === "read" ? readRuns : work);
console.log(JSON.stringify({ free, first, isSpent: reserve > 0 && spent === reserve, again }));

async function readRuns(): Promise<string> {
  await using history = await openHistory(folder);
  const runs = await history.runs.list();
  return `${runs.length} run, ${(await Array.fromAsync(history.logs.read(RUN))).length} line`;
}

async function work(): Promise<string> {
  await using _embedded = await openEmbedded({ folder, scope: "up" });
  return "opened";
}

async function outcomeOf(what: () => Promise<string>): Promise<string> {
  try {
    return await what();
  } catch (error) {
    return error instanceof UnavailableError ? `${error.message}\n${error.hint}` : String(error);
  }
}

/** Ever smaller pieces: the last one that fits may be a byte. */
function fill(name: string): void {
  const file = openSync(join(disk, name), "w");
  for (let size = 1024 * 1024; size >= 1;) {
    try {
      writeSync(file, new Uint8Array(size));
    } catch {
      size = Math.floor(size / 2);
    }
  }
}
