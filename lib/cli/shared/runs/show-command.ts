import { isLoopback } from "../../../engine/http/hosts.ts";
import { shortId } from "./resolve-run.ts";

/** What a person types to see a run again, with the flags that are needed for it. */
export function showCommandOf(
  run: string,
  { data, api }: { data?: string | undefined; api?: string | undefined },
): string {
  // One on this machine is found by its data folder.
  const isFound = api === undefined || isLoopback(new URL(api).hostname);
  const words = [
    "flutter-ci show",
    ...isFound ? [] : [`--api ${quoted(api)}`],
    ...data === undefined ? [] : [`--data ${quoted(data)}`],
    shortId(run),
  ];
  return words.join(" ");
}

/** As a shell takes it for one word. */
const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
