import { onOneLine } from "../base/text.ts";

/** Most bytes of a result's commands as JSON. A result has room for 64 KiB in all. */
const MAX_LIST_BYTES = 16 * 1024;
const SHOWN = 200;

/** Returns a command as a person would type it, on one line. Shortens long commands. */
export function showCommand(command: string | readonly string[]): string {
  const text = typeof command === "string" ? onOneLine(command) : command.map(quoted).join(" ");
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * Returns the commands for a result: if they do not all fit, the last ones and the number of those before
 * them.
 */
export function listedCommands<T>(commands: readonly T[]): { commands: T[]; earlierCommands?: number } {
  let bytes = 0;
  const first = commands.findLastIndex((command) => {
    bytes += Buffer.byteLength(JSON.stringify(command)) + 1;
    return bytes > MAX_LIST_BYTES;
  }) + 1;
  return { commands: commands.slice(first), ...(first > 0 && { earlierCommands: first }) };
}
