import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
} from "@nats-io/transport-node";
import { InputError } from "../../base/errors.ts";
import { isKept, rereadNamedFileSync } from "../../base/named-files.ts";
import type { TlsFiles } from "./tls.ts";

/** How a program identifies itself to the broker, and the broker to it. */
export interface Login {
  /** Path of a `.creds` file, read again at every connection. */
  readonly credsFile?: string;
  readonly user?: string;
  /** Path of a file with the password of `user`, read again at every connection. */
  readonly passwordFile?: string;
  /** Path of a file with a token, read again at every connection. */
  readonly tokenFile?: string;
  /** Path of a file with a user's nkey seed, read again at every connection. */
  readonly nkeyFile?: string;
  /** Starts TLS before anything else; set if the broker is configured with `handshake_first`. */
  readonly tlsFirst?: boolean;
  readonly tls?: TlsFiles;
}

/**
 * Returns the authenticator. Reads the files now, so that a bad one is reported at once, and again at every
 * connection.
 */
export function authenticator(
  { credsFile, user, passwordFile, tokenFile, nkeyFile }: Login,
  servers: readonly { readonly user: string; readonly password: string }[],
): Authenticator | undefined {
  if (credsFile !== undefined) {
    const creds = () => new TextEncoder().encode(readSecret("credentials", credsFile));
    if (
      !/-----BEGIN NATS USER JWT-----[\s\S]+-----BEGIN USER NKEY SEED-----/.test(
        readSecret("credentials", credsFile),
      )
    ) {
      throw new InputError(`Credentials "${credsFile}" have no user JWT and seed: expected a .creds file`);
    }
    return credsAuthenticator(creds);
  }
  if (tokenFile !== undefined) {
    const token = () => readSecret("token", tokenFile).trim();
    token();
    return tokenAuthenticator(token);
  }
  if (nkeyFile !== undefined) {
    seedOf(nkeyFile);
    return nkeyAuthenticator(() => seedOf(nkeyFile));
  }
  if (user !== undefined) {
    const password = () => passwordFile === undefined ? "" : readSecret("password", passwordFile).trimEnd();
    password();
    return () => ({ user, pass: password() });
  }
  const named = servers.find((server) => server.user !== "");
  if (named?.password) return () => ({ user: named.user, pass: named.password });
  if (named) return () => ({ auth_token: named.user });
  return undefined;
}

function readSecret(what: string, file: string): string {
  try {
    return rereadNamedFileSync(file);
  } catch (cause) {
    throw new InputError(`Cannot read NATS ${what} "${file}"`, { cause });
  }
}

/** Returns the seed, which may be alone in its file or between the header lines that tools write. */
function seedOf(file: string): Uint8Array {
  const [seed] = /\bSU[A-Z2-7]{56}\b/.exec(readSecret("nkey", file)) ?? [];
  if (seed === undefined) {
    throw new InputError(`NKey "${file}" has no seed of a user: expected SU and 56 more letters`);
  }
  return new TextEncoder().encode(seed);
}

/** Returns the client's options for TLS. */
export function tlsOptions({ tls: { ca, cert, key } = {}, tlsFirst = false }: Login) {
  return {
    ...(tlsFirst ? { handshakeFirst: true } : {}),
    ...(ca === undefined ? {} : tlsFile("ca", ca)),
    ...(cert === undefined ? {} : tlsFile("cert", cert)),
    ...(key === undefined ? {} : tlsFile("key", key)),
  };
}

/**
 * Passes the path, because the client reads the file again at each connection; a pipe can be read only once,
 * so its text is passed.
 */
function tlsFile(name: "ca" | "cert" | "key", path: string): Record<string, string> {
  return isKept(path) ? { [name]: rereadNamedFileSync(path) } : { [`${name}File`]: path };
}
