import { parseOwnJson } from "../../base/json.ts";
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { Secrets } from "../../wire/secrets.ts";

const ALGORITHM = "aes-256-gcm";
const IV_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = "v1.";

/** Encrypts the secrets. Only `unseal` with the same 32-byte key and run id can read the result. */
export function seal(secrets: Secrets, run: string, key: Uint8Array): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, iv).setAAD(Buffer.from(run));
  const sealed = Buffer.concat([cipher.update(JSON.stringify(secrets), "utf8"), cipher.final()]);
  return VERSION + Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString("base64");
}

/** Decrypts what `seal` returned. Throws if the key, the run id or the text differs. */
export function unseal(text: string, run: string, key: Uint8Array): Secrets {
  if (!text.startsWith(VERSION)) throw new Error(`Cannot unseal the secrets of run "${run}": unknown form`);
  const bytes = Buffer.from(text.slice(VERSION.length), "base64");
  const start = IV_BYTES + TAG_BYTES;
  try {
    const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), {
      authTagLength: TAG_BYTES,
    })
      .setAAD(Buffer.from(run))
      .setAuthTag(bytes.subarray(IV_BYTES, start));
    const plain = Buffer.concat([decipher.update(bytes.subarray(start)), decipher.final()]);
    return parseOwnJson(plain.toString("utf8"));
  } catch (cause) {
    throw new Error(`Cannot unseal the secrets of run "${run}": they were sealed with another key`, {
      cause,
    });
  }
}
