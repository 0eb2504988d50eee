import { randomUUID } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readIfThere, refuseLinks } from "../../../base/files.ts";
import { parseJson } from "../../../base/json.ts";

const FILE = "server.json";
const Server = z.object({ url: z.url() });

/**
 * Writes the control plane's address to the data folder, for commands on this machine. Dispose removes it.
 */
export async function announceServer(folder: string, url: string): Promise<AsyncDisposable> {
  const path = join(folder, FILE);
  const partial = `${path}.${randomUUID()}`;
  await writeFile(partial, `${JSON.stringify({ url })}\n`, { mode: 0o600, flag: "wx" });
  await rename(partial, path);
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

/**
 * Returns the address of this data folder's control plane. It may be stale: a killed control plane leaves it
 * behind.
 */
export async function announcedServer(folder: string): Promise<string | undefined> {
  const path = join(folder, FILE);
  refuseLinks(path);
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return Server.parse(parseJson(text)).url.replace(/\/$/, "");
  } catch {
    return undefined;
  }
}
