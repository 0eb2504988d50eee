import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { InputError } from "../../base/errors.ts";
import { rereadNamedFile } from "../../base/named-files.ts";

/** Paths of PEM files. They are read again at every connection, so renewed files need no restart. */
export interface TlsFiles {
  /** Certificate authorities for the broker's certificate. Default: those of the system. */
  readonly ca?: string;
  /** Client certificate, with its chain. */
  readonly cert?: string;
  /** Private key of `cert`. */
  readonly key?: string;
}

/**
 * Throws `InputError` with the file and the problem: unreadable, of another kind, expired, not yet valid, or
 * not a pair.
 */
export async function checkTlsFiles(files: TlsFiles, now: number): Promise<void> {
  if ((files.cert === undefined) !== (files.key === undefined)) {
    const [given, missing] = files.cert === undefined ? ["key", "certificate"] : ["certificate", "key"];
    throw new InputError(`TLS ${given} "${files.cert ?? files.key}" was given without its ${missing}`);
  }
  if (files.ca !== undefined) {
    for (const authority of await readAuthorities(files.ca)) {
      checkDates("TLS authority", files.ca, authority, now);
    }
  }
  if (files.cert !== undefined && files.key !== undefined) {
    const [own] = await certificates("TLS certificate", files.cert);
    if (own) checkDates("TLS certificate", files.cert, own, now);
    const key = await privateKey(files.key);
    if (own && !samePublicKey(own.publicKey, key)) {
      throw new InputError(`TLS key "${files.key}" does not match the certificate "${files.cert}"`);
    }
  }
}

/** Reads the certificates of an authority file. Throws `InputError` that names the file. */
export const readAuthorities = (file: string): Promise<X509Certificate[]> =>
  certificates("TLS authority", file);

async function read(what: string, file: string): Promise<string> {
  try {
    return await rereadNamedFile(file);
  } catch (cause) {
    throw new InputError(`Cannot read ${what} "${file}"`, { cause });
  }
}

async function certificates(what: string, file: string): Promise<X509Certificate[]> {
  const text = await read(what, file);
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length > 0) return blocks.map((pem) => new X509Certificate(pem));
  } catch (cause) {
    throw new InputError(`${what} "${file}" cannot be parsed: expected certificates in PEM`, { cause });
  }
  throw new InputError(`${what} "${file}" is not a certificate: expected one in PEM`);
}

async function privateKey(file: string): Promise<KeyObject> {
  const text = await read("TLS key", file);
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text)) {
    throw new InputError(`TLS key "${file}" is encrypted: expected a key without a passphrase`);
  }
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw new InputError(`TLS key "${file}" is not a key: expected a private key in PEM`);
  }
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw new InputError(`TLS key "${file}" cannot be parsed: expected a private key in PEM`, { cause });
  }
}

function checkDates(what: string, file: string, certificate: X509Certificate, now: number): void {
  if (Date.parse(certificate.validTo) < now) {
    throw new InputError(`${what} "${file}" expired on ${isoDate(certificate.validTo)}`);
  }
  if (Date.parse(certificate.validFrom) > now) {
    throw new InputError(`${what} "${file}" is not valid before ${isoDate(certificate.validFrom)}`);
  }
}

const isoDate = (text: string): string => new Date(text).toISOString().slice(0, 10);

function samePublicKey(certified: KeyObject, key: KeyObject): boolean {
  const bytes = (one: KeyObject) => one.export({ type: "spki", format: "der" });
  return bytes(certified).equals(bytes(createPublicKey(key)));
}
