import { X509Certificate } from "node:crypto";
import { InputError } from "../../base/errors.ts";
import { onOneLine } from "../../base/text.ts";
import { formatSize } from "../../base/units.ts";

/** Certificate authorities that a build trusts beside those of its image. */
export interface Authorities {
  /** Their certificates in PEM form, and nothing else. */
  readonly pem: string;
  /** Their names, for people. */
  readonly names: readonly string[];
}

/** Most characters of authorities: they travel with every event of a build. */
const MOST_CHARS = 128 * 1024;
const BEGIN = /^-----BEGIN ([A-Z0-9 ]{1,40})-----$/;

/**
 * Parses certificates in PEM form, and leaves out what stands between them. Throws InputError for anything
 * but certificates of authorities, and for certificates that sign themselves.
 */
export function parseAuthorities(text: string): Authorities {
  if (text.length > MOST_CHARS) {
    throw new InputError(
      `It is larger than ${formatSize(MOST_CHARS)}: expected only the authorities that an image lacks`,
    );
  }
  const certificates = blocksOf(text).map(certificateOf);
  if (certificates.length === 0) {
    throw new InputError(
      "It has no certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----",
    );
  }
  return {
    pem: certificates.map(({ pem }) => `${pem}\n`).join(""),
    names: certificates.map(({ name }) => name),
  };
}

/** Returns both, in the order given; undefined if there are none. */
export function joinAuthorities(...all: readonly (Authorities | undefined)[]): Authorities | undefined {
  const given = all.filter((one) => one !== undefined);
  if (given.length === 0) return undefined;
  return {
    pem: given.map(({ pem }) => pem).join(""),
    names: [...new Set(given.flatMap(({ names }) => names))],
  };
}

/** Returns their names for the log, the first three of them. */
export function shownAuthorities({ names }: Authorities): string {
  const shown = names.slice(0, 3).map((name) => JSON.stringify(name)).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}

function blocksOf(text: string): string[] {
  const blocks: string[] = [];
  let open: string[] | undefined;
  for (const line of text.split("\n").map((line) => line.trim())) {
    const label = BEGIN.exec(line)?.[1];
    if (label?.endsWith("PRIVATE KEY")) {
      throw new InputError(
        "It has a private key in it, which stays with its owner: expected certificates only",
      );
    }
    if (label !== undefined && label !== "CERTIFICATE") {
      throw new InputError(`It has a block "${label}": expected only -----BEGIN CERTIFICATE-----`);
    }
    if (label !== undefined) open = [];
    open?.push(line);
    if (line !== "-----END CERTIFICATE-----" || !open) continue;
    blocks.push(open.join("\n"));
    open = undefined;
  }
  if (open) throw new InputError("Its last certificate is cut off: expected -----END CERTIFICATE-----");
  return blocks;
}

function certificateOf(pem: string, index: number): { pem: string; name: string } {
  const certificate = parsed(pem);
  if (!certificate) throw new InputError(`Its certificate ${index + 1} cannot be read as X.509`);
  const { ca, subject, issuer } = certificate;
  const name = nameOf(subject);
  if (!ca && subject !== issuer) {
    throw new InputError(
      `Its certificate ${index + 1}, ${JSON.stringify(name)}, is no authority's: expected that of ${
        JSON.stringify(nameOf(issuer))
      }, which has signed it`,
    );
  }
  return { pem, name };
}

function parsed(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** Returns the common name, or the whole name of a certificate without one. */
function nameOf(subject: string): string {
  const common = /^CN=(.*)$/m.exec(subject)?.[1];
  return onOneLine(common ?? subject).slice(0, 100);
}
