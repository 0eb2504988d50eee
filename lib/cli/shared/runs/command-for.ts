import { isLoopback } from "../../../engine/http/hosts.ts";
import { shortId } from "./resolve-run.ts";

export interface AskedWith {
  readonly data?: string | undefined;
  readonly api?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly tlsCa?: string | undefined;
}

/** Returns the command line for a run (`logs -f`), with the flags that find it. */
export function commandFor(command: string, run: string, asked: AskedWith): string {
  return `${commandLine(command, asked)} ${shortId(run)}`;
}

/** Returns the command line for a command (`gc`), with the flags that find the runs. */
export function commandLine(command: string, asked: AskedWith): string {
  const { data, api, tokenFile, tlsCa } = asked;
  // A control plane on this machine is found by its data folder, which has its token.
  const isFound = api === undefined || (isLoopback(new URL(api).hostname) && tokenFile === undefined);
  const flags = Object.entries({
    "--api": isFound ? undefined : api,
    "--token-file": tokenFile,
    "--tls-ca": tlsCa,
    "--data": data,
  }).flatMap(([flag, value]) => value === undefined ? [] : [`${flag} ${quoted(value)}`]);
  return [`flutter-ci ${command}`, ...flags].join(" ");
}

/** Quotes a word for a shell. */
const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
