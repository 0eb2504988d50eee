import { type Clock, systemClock } from "../../base/clock.ts";
import { InputError } from "../../base/errors.ts";
import { rereadNamedFile } from "../../base/named-files.ts";
import { signedToken } from "./signed-token.ts";

/** How we show a control plane who we are. The first that is given counts; files are read anew for every request. */
export interface Credentials {
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** PEM files for a token that we sign ourselves, as a Conveyor server wants it. */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** PEM file of the authorities that an https server's certificate may be signed by. */
  readonly tlsCa?: string | undefined;
}

/** The `Authorization` header of the next request, if any. Throws InputError on a file that is not what it should be. */
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
  // The value itself is a secret, also when it is a wrong one.
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
