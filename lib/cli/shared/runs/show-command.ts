import { isLoopback } from "../../../engine/http/hosts.ts";
import { shortId } from "./resolve-run.ts";

/** Returns the command line that shows a run again, with the flags that it needs. */
export function showCommandOf(
  run: string,
  { data, api }: { data?: string | undefined; api?: string | undefined },
): string {
  // A control plane on this machine is found by its data folder.
  const isFound = api === undefined || isLoopback(new URL(api).hostname);
  const words = [
    "flutter-ci show",
    ...isFound ? [] : [`--api ${quoted(api)}`],
    ...data === undefined ? [] : [`--data ${quoted(data)}`],
    shortId(run),
  ];
  return words.join(" ");
}

/** Quotes a word for a shell. */
const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
