import type { Writable } from "node:stream";

/** A standard stream of this process that does not throw on failure. */
export interface SafeStream {
  /** The first write that failed. */
  readonly failure: NodeJS.ErrnoException | undefined;
  /** Resolves once every write has completed or failed. */
  written(): Promise<void>;
}

/**
 * Makes a standard stream report a failed write as Node documents it: to the write's callback and as an
 * "error" event. A failure never ends the process. Deno's `write` throws for a file on a full disk, and the
 * stream is unusable afterwards.
 */
export function makeSafe(stream: Writable): SafeStream {
  const open = new Set<Promise<void>>();
  let failure: NodeJS.ErrnoException | undefined;
  let isBroken = false;
  const fail = (error: NodeJS.ErrnoException) => failure ??= error;
  stream.on("error", fail);
  const write: (chunk: unknown, encoding: unknown, done: (error?: Error | null) => void) => boolean = stream
    .write.bind(stream) as never;
  stream.write = (chunk: unknown, ...rest: unknown[]): boolean => {
    const { promise, resolve } = Promise.withResolvers<void>();
    open.add(promise);
    const done = (error?: Error | null) => {
      if (error) fail(error);
      open.delete(promise);
      resolve();
      const callback = rest.at(-1);
      if (typeof callback === "function") callback(error);
    };
    const encoding = typeof rest[0] === "string" ? rest[0] : undefined;
    try {
      if (!isBroken) return write(chunk, encoding, done);
    } catch (error) {
      isBroken = true;
      fail(error as Error);
      queueMicrotask(() => stream.emit("error", error));
    }
    queueMicrotask(() => done(failure));
    return true;
  };
  return {
    get failure() {
      return failure;
    },
    async written() {
      await Promise.all(open);
    },
  };
}

/** Returns true if the reader has closed the stream (`| head`), false for other write failures. */
export const isReaderGone = ({ code }: NodeJS.ErrnoException): boolean =>
  code === "EPIPE" || code === "ECONNRESET";
