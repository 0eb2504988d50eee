import { join } from "node:path";
import { InputError } from "../base/errors.ts";
import { readIfThere } from "../base/files.ts";
import type { Tls } from "./endpoint.ts";

/** `ca.pem`, `cert.pem` and `key.pem` of a folder, as far as they are there. Throws InputError where one of a pair is missing. */
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
