import { Buffer } from "node:buffer";

/** What an entry of an archive says of itself, true or not. */
export interface Entry {
  name: string;
  text?: string;
  /**
   * As tar has it: 0 file, 1 hard link, 2 symbolic link, 3 and 4 devices, 5 folder, 6 pipe, S sparse, x pax,
   * L long name.
   */
  type?: string;
  /** Another size than the text's, and octal or raw bytes. */
  size?: number | Uint8Array;
  link?: string;
  mode?: number;
  /** Octal or raw bytes. */
  mtime?: string | Uint8Array;
}

/** The bytes of one entry. */
export function entry(
  { name, text = "", type = "0", size = Buffer.byteLength(text), link = "", mode = 0o644, mtime = "0" }:
    Entry,
): Uint8Array {
  const header = new Uint8Array(512);
  const put = (text: string, at: number) => header.set(new TextEncoder().encode(text), at);
  put(name, 0);
  put(`${mode.toString(8).padStart(7, "0")}\0`, 100);
  put("0000000\0", 108);
  put("0000000\0", 116);
  if (typeof size === "number") put(`${size.toString(8).padStart(11, "0")}\0`, 124);
  else header.set(size, 124);
  if (typeof mtime === "string") put(`${mtime.padStart(11, "0")}\0`, 136);
  else header.set(mtime, 136);
  put("        ", 148);
  put(type, 156);
  put(link, 157);
  put("ustar\x0000", 257);
  const sum = header.reduce((sum, byte) => sum + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const body = new TextEncoder().encode(text);
  return Buffer.concat([header, body, new Uint8Array((512 - (body.length % 512)) % 512)]);
}

const END = new Uint8Array(1024);

/** An archive with these entries. */
export function tarOf(...entries: Entry[]): Buffer {
  return Buffer.concat([...entries.map(entry), END]);
}
