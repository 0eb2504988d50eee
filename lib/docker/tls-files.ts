import { join } from "node:path";
import { InputError } from "../base/errors.ts";
import { readIfThere } from "../base/files.ts";
import type { Tls } from "./endpoint.ts";

/**
 * Returns the texts of `ca.pem`, `cert.pem` and `key.pem` that exist in a folder. Throws `InputError` if only
 * one of certificate and key exists.
 */
export async function readTlsFiles(folder: string): Promise<Omit<Tls, "rejectUnauthorized">> {
  const [ca, cert, key] = await Promise.all(
    ["ca.pem", "cert.pem", "key.pem"].map((name) => readIfThere(join(folder, name))),
  );
  if ((cert === undefined) !== (key === undefined)) {
    throw new InputError(
      `Invalid folder of certificates "${folder}": expected both cert.pem and key.pem, or neither`,
    );
  }
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}
