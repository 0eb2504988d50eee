import { type Clock, systemClock } from "../../base/clock.ts";
import { InputError } from "../../base/errors.ts";
import { rereadNamedFile } from "../../base/named-files.ts";
import { signedToken } from "./signed-token.ts";

/**
 * Credentials for a control plane. The first that is set is used: token, token file, signed token. Files are
 * read again for every request.
 */
export interface Credentials {
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** PEM files for a token that we sign ourselves, as a Conveyor server expects. */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** PEM file of the authorities to trust for an https server's certificate. */
  readonly tlsCa?: string | undefined;
}

/**
 * Returns the `Authorization` header for the next request, or nothing without credentials. Throws InputError
 * if a file is unreadable or invalid.
 */
export async function authorization(
  { token, tokenFile, tlsCert, tlsKey }: Credentials,
  clock: Clock = systemClock,
): Promise<Record<string, string>> {
  if (token) return bearer(token, "The token of the environment");
  if (tokenFile) return bearer(await read(tokenFile), `The token of file "${tokenFile}"`);
  if (!tlsCert || !tlsKey) return {};
  const [cert, key] = await Promise.all([read(tlsCert), read(tlsKey)]);
  return bearer(signedToken({ cert, key }, clock()), "The signed token");
}

function bearer(text: string, what: string): Record<string, string> {
  const token = text.trim();
  // Do not quote the value: it is a secret even if it is invalid.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new InputError(`${what} cannot be sent: expected one word of printable ASCII`);
  }
  return { authorization: `Bearer ${token}` };
}

async function read(file: string): Promise<string> {
  try {
    return await rereadNamedFile(file);
  } catch (cause) {
    throw new InputError(`Cannot read "${file}"`, { cause });
  }
}
