import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const TOOLS = resolve(import.meta.dirname ?? "", "../../.tools");

/**
 * Returns the broker's program: the one that is named, else the newest that the scripts have fetched, else
 * the one on PATH.
 */
export function natsProgram(): string {
  const { NATS_SERVER } = process.env;
  if (NATS_SERVER) return NATS_SERVER;
  const newest = readNames().filter((name) => name.startsWith("nats-server")).sort().at(-1);
  return newest === undefined ? "nats-server" : join(TOOLS, newest);
}

function readNames(): string[] {
  try {
    return readdirSync(TOOLS);
  } catch {
    return []; // A clone in which no script has run.
  }
}
