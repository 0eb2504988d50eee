import { InputError } from "../../base/errors.ts";
import { parseRepository } from "../repository.ts";
import { type Config, lastOf } from "./local/config.ts";

/**
 * Returns the URL that a local repository came from, by git's rule for relative URLs of submodules: the
 * remote of the checked-out branch, otherwise `origin`. Undefined if that is not an https or ssh URL.
 * Credentials are removed.
 */
export function originOf(config: Config, ref: string): string | undefined {
  const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1];
  const remote = (branch === undefined ? undefined : lastOf(config, `branch.${branch}.remote`)) ?? "origin";
  const text = lastOf(config, `remote.${remote}.url`);
  if (text === undefined) return undefined;
  const url = withoutCredentials(text);
  try {
    return parseRepository(url).kind === "remote" ? url : undefined;
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

/** Removes credentials from a URL. The user of an ssh URL stays, as part of the address. */
function withoutCredentials(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.password === "" && (url.protocol !== "https:" || url.username === "")) return text;
  url.password = "";
  if (url.protocol === "https:") url.username = "";
  return url.href;
}
