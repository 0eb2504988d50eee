import { Buffer } from "node:buffer";
import type { X509Certificate } from "node:crypto";

/** Object identifiers, as DER encodes them, in hexadecimal. */
const EXTENDED_KEY_USAGE = "551d25";
const ANY_USAGE = "551d2500";
const CLIENT_AUTH = "2b06010505070302";

/** Tags of DER. */
const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
const OCTET_STRING = 0x04;
/** `[3] EXPLICIT Extensions` of a TBSCertificate (RFC 5280, section 4.1). */
const EXTENSIONS = 0xa3;

/**
 * Returns true if the certificate may be used by a client: its extended key usage includes clientAuth or
 * anyExtendedKeyUsage, or it has none. Reads the DER itself, since Deno's `X509Certificate` has no
 * `keyUsage`. Throws if the certificate cannot be read.
 */
export function isForClients({ raw }: X509Certificate): boolean {
  const [tbs] = valuesIn(one(raw, SEQUENCE));
  if (tbs?.tag !== SEQUENCE) throw new TypeError("The DER is not as expected");
  const extensions = valuesIn(tbs.content).find(({ tag }) => tag === EXTENSIONS);
  if (!extensions) return true;
  for (const extension of valuesIn(one(extensions.content, SEQUENCE))) {
    const [id, ...rest] = valuesIn(extension.content);
    if (hex(id) !== EXTENDED_KEY_USAGE) continue;
    // A boolean (critical) may come between.
    const value = rest.at(-1);
    if (value?.tag !== OCTET_STRING) throw new TypeError("The extended key usage has no value");
    return valuesIn(one(value.content, SEQUENCE)).some((usage) =>
      usage.tag === OBJECT_IDENTIFIER && [CLIENT_AUTH, ANY_USAGE].includes(hex(usage))
    );
  }
  return true;
}

interface Value {
  readonly tag: number;
  readonly content: Uint8Array;
}

const hex = (value: Value | undefined): string => Buffer.from(value?.content ?? []).toString("hex");

/** Returns the content of the only value in `bytes`. Throws if it has another tag, or there are others. */
function one(bytes: Uint8Array, tag: number): Uint8Array {
  const [value, ...more] = valuesIn(bytes);
  if (value?.tag !== tag || more.length > 0) throw new TypeError("The DER is not as expected");
  return value.content;
}

/** Splits the content of a constructed value. Throws if a length does not fit. */
function valuesIn(bytes: Uint8Array): Value[] {
  const values: Value[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes[at] ?? 0;
    let length = bytes[at + 1] ?? 0;
    let start = at + 2;
    if (length >= 0x80) {
      const end = start + (length & 0x7f);
      length = 0;
      for (; start < end; start++) length = length * 256 + (bytes[start] ?? 0);
    }
    at = start + length;
    if (at > bytes.length) throw new RangeError("The DER is cut off");
    values.push({ tag, content: bytes.subarray(start, at) });
  }
  return values;
}
