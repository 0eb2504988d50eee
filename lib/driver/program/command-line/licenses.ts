import { brotliDecompressSync } from "node:zlib";

/** Inserted by `scripts/release`: THIRD-PARTY-NOTICES, compressed, in base64. */
declare const CONVEYOR_NOTICES: string | undefined;

/** Returns the licences of all software in this program; outside of a release, says where they are. */
export function licenses(): string {
  return typeof CONVEYOR_NOTICES === "string"
    ? brotliDecompressSync(Buffer.from(CONVEYOR_NOTICES, "base64")).toString()
    : "Licensed under Apache-2.0. The licences of its packages lie in node_modules; programs of a release hold all of them\n";
}
