import { Problem } from "./problem.ts";

/** Bytes from `start` up to, and without, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The range that a request asks for. Undefined for all of it: also where several are asked for, or something that is no range
 * of bytes, as HTTP lets a server do. Throws Problem 416 for a range beyond the end.
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | undefined {
  const [, from = "", to = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "") ?? [];
  if (from === "" && to === "") return undefined;
  if (from !== "" && to !== "" && Number(to) < Number(from)) return undefined;
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size : Math.min(size, Number(to) + 1);
  if (start < end) return { start, end };
  throw new Problem(416, `No bytes in the range "${header}": the artifact has ${size}`, {
    "Content-Range": `bytes */${size}`,
  });
}

/** The bytes of a range. Reading ends with it. */
export async function* sliced(
  bytes: AsyncIterable<Uint8Array>,
  { start, end }: ByteRange,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of bytes) {
    const [first, last] = [Math.max(0, start - at), Math.min(chunk.length, end - at)];
    at += chunk.length;
    if (first < last) yield chunk.subarray(first, last);
    if (at >= end) return;
  }
}
