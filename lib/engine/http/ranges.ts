import { Problem } from "./problem.ts";

/** Bytes from `start` (inclusive) to `end` (exclusive). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Returns the requested byte range, or undefined for the whole content. Several ranges and malformed ranges
 * also return undefined, as HTTP allows. Throws Problem 416 for a range beyond the end.
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

/** Yields the bytes of a range and stops reading at its end. */
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
