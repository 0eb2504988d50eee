import { corrupt, MOST_WHOLE_BYTES } from "./format.ts";

/** Reads the sizes of a delta's base and result, and where its instructions start. */
export function deltaSizes(delta: Buffer): { base: number; result: number; start: number } {
  const at = { index: 0 };
  const base = number(delta, at);
  const result = number(delta, at);
  return { base, result, start: at.index };
}

/**
 * Applies a delta to its base. Throws InputError if the delta is inconsistent or its result exceeds the
 * memory limit.
 */
export function applyDelta(base: Buffer, delta: Buffer, where: string): Buffer {
  const sizes = deltaSizes(delta);
  if (sizes.base !== base.length) throw corrupt(where, "a delta is not for its base");
  if (!(sizes.result <= MOST_WHOLE_BYTES)) {
    throw corrupt(where, "an object that is stored as a delta is too large");
  }
  const result = Buffer.allocUnsafe(sizes.result);
  let to = 0;
  for (let i = sizes.start; i < delta.length;) {
    const code = delta[i++] ?? 0;
    let [from, length, source] = [i, code, delta];
    if (code & 0x80) {
      from = 0;
      length = 0;
      for (let bit = 0; bit < 4; bit++) if (code & (1 << bit)) from += (delta[i++] ?? 0) * 2 ** (8 * bit);
      for (let bit = 0; bit < 3; bit++) if (code & (0x10 << bit)) length |= (delta[i++] ?? 0) << (8 * bit);
      if (length === 0) length = 0x10000;
      source = base;
    } else i += length;
    if (length === 0 || from + length > source.length || to + length > result.length) {
      throw corrupt(where, "a delta reaches beyond its base");
    }
    source.copy(result, to, from, from + length);
    to += length;
  }
  if (to !== result.length) throw corrupt(where, "a delta is cut off");
  return result;
}

function number(bytes: Buffer, at: { index: number }): number {
  let value = 0;
  for (let unit = 1; unit <= 2 ** 49; unit *= 128) {
    const byte = bytes[at.index++] ?? 0;
    value += (byte & 0x7f) * unit;
    if (!(byte & 0x80)) return value;
  }
  return Infinity;
}
