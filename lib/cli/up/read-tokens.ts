import { InputError } from "../../base/errors.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { readInputFile } from "../../driver/program/command-line/read-input-file.ts";
import type { NamedToken } from "../../engine/http/guards.ts";
import { givenToken } from "../shared/api/token.ts";
import type { TokenFile } from "./up-flags.ts";

/**
 * Reads the tokens that the flags name: the control plane's own, which is made if none is given, and further
 * ones. Throws InputError for unreadable files, and for two equal tokens.
 */
export async function readTokens(
  files: readonly TokenFile[],
): Promise<{ own: string | undefined; others: NamedToken[] }> {
  const unnamed = files.filter(({ name }) => name === undefined);
  if (unnamed.length > 1) {
    throw new InputError(
      "--token-file was given more than once without NAME:ROLE=: expected one token of its own",
    );
  }
  const own = await givenToken(unnamed[0]?.file, environment);
  const others: NamedToken[] = [];
  for (const { name = "", role, file } of files.filter(({ name }) => name !== undefined)) {
    const token = (await readInputFile("--token-file", file)).trim();
    if (token === "") throw new InputError(`--token-file: "${file}" is empty: expected the token "${name}"`);
    const same = others.find((other) => other.token === token)?.name ??
      (own === token ? "the control plane's own" : undefined);
    if (same !== undefined) {
      throw new InputError(
        `--token-file: the token "${name}" is the same as ${same}: expected one of its own`,
      );
    }
    others.push({ name, role, token });
  }
  return { own, others };
}
