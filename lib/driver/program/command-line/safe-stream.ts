import type { Writable } from "node:stream";

/** A standard stream of this process, whose failures are not thrown. */
export interface SafeStream {
  /** The first write that failed. */
  readonly failure: NodeJS.ErrnoException | undefined;
  /** Resolves when all that was written has been taken, or has failed. */
  written(): Promise<void>;
}

/**
 * Makes a standard stream report a failed write as Node documents it: to the write's callback and as an "error" event, which
 * never ends the process. Deno throws out of `write` for a file on a full disk, and the stream is of no use afterwards.
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

/** True where the reader has gone away (`| head`), rather than the writing failed. */
export const isReaderGone = ({ code }: NodeJS.ErrnoException): boolean =>
  code === "EPIPE" || code === "ECONNRESET";
