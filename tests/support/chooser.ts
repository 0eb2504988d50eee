/** Returns a random whole number from 0 to below `count`. */
export type Choose = (count: number) => number;

/** Returns a chooser that makes the same choices for the same seed (Mulberry32). */
export function chooser(seed: number): Choose {
  let state = Math.imul(seed, 0x9e3779b1);
  return (count) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % count;
  };
}

export function chooseFrom<T>(choose: Choose, values: readonly T[]): T {
  return values[choose(values.length)] as T;
}

/** Returns 0 to `most` random bytes. */
export function someBytes(choose: Choose, most: number): Uint8Array {
  return Uint8Array.from({ length: choose(most + 1) }, () => choose(256));
}

/** Returns the bytes with some changed, sometimes cut off, as a hostile or unlucky sender has them. */
export function damaged(bytes: Uint8Array, choose: Choose): Uint8Array {
  const copy = bytes.slice(0, choose(4) === 0 ? choose(bytes.length + 1) : bytes.length);
  for (let left = choose(6); left > 0 && copy.length > 0; left--) copy[choose(copy.length)] = choose(256);
  return copy;
}

/** Yields the bytes in pieces of random sizes. */
export async function* asStream(bytes: Uint8Array, choose: Choose, most: number): AsyncGenerator<Uint8Array> {
  yield* inPieces(bytes, choose, most);
}

/** The bytes in pieces of any sizes. */
export function* inPieces(bytes: Uint8Array, choose: Choose, most: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + choose(most);
    yield bytes.slice(at, end);
    at = end;
  }
}
