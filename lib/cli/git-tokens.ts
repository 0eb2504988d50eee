import { InputError } from "../base/errors.ts";
import { readInputFile } from "./read-input-file.ts";

/** Tokens, and private ssh keys, by host name. Throws InputError that names the flag and the file. */
export async function readGitTokens(
  files: readonly { host: string; file: string }[],
): Promise<Readonly<Record<string, string>>> {
  const tokens: Record<string, string> = {};
  for (const { host, file } of files) {
    if (Object.hasOwn(tokens, host)) {
      throw new InputError(`--git-token: Two tokens for "${host}": expected one`);
    }
    // ssh wants the newline at the end of a key; a token has none.
    const content = await readInputFile("--git-token", file);
    tokens[host] = content.startsWith("-----BEGIN ") ? content : content.trim();
  }
  return tokens;
}
