import { InputError } from "../../base/errors.ts";
import { parseRepository } from "../repository.ts";
import { type Config, lastOf } from "./local/config.ts";

/**
 * Where a local repository came from, as git finds it for the relative URLs of submodules: the remote of the branch that is
 * checked out, else `origin`. Undefined where that is no https or ssh URL. Credentials in it are left out.
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

/** The user of an ssh URL stays: it is part of the address. */
function withoutCredentials(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.password === "" && (url.protocol !== "https:" || url.username === "")) return text;
  url.password = "";
  if (url.protocol === "https:") url.username = "";
  return url.href;
}
