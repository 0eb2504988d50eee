import type { Writable } from "node:stream";
import { startTimer, stopTimer, type Timer } from "../../../base/timers.ts";

/** Buffered text output: a write per line would be too slow for a million lines. */
export interface Output {
  /**
   * Queues text. Never rejects. Returns a promise if enough is queued: it resolves when the reader has caught
   * up.
   */
  write(text: string): Promise<void> | undefined;
  /** Resolves when everything queued so far has been written, or the reader is gone. Never rejects. */
  flush(): Promise<void>;
  /** Flushes, and leaves the stream to others: it may have many outputs one after the other. */
  close(): Promise<void>;
}

const CHUNK_CHARS = 64 * 1024;
/** How long a line waits for more lines, milliseconds. */
const LINGER_MS = 20;

/** Opens the output. `onFailed` is called once, when the stream fails; later text is dropped. */
export function openOutput(
  stream: Writable,
  { onFailed }: { onFailed?: (error: NodeJS.ErrnoException) => void } = {},
): Output {
  let pending = "";
  let writing: Promise<void> | undefined;
  let timer: Timer | undefined;
  let closed = false;

  function fail(error: NodeJS.ErrnoException): void {
    if (closed) return;
    closed = true;
    pending = "";
    onFailed?.(error);
  }
  stream.on("error", fail);

  async function drain(): Promise<void> {
    while (pending !== "" && !closed) {
      const chunk = pending;
      pending = "";
      const error = await new Promise<Error | null | undefined>((resolve) => stream.write(chunk, resolve));
      // The stream's event may come after `close`.
      if (error) fail(error);
    }
  }

  function flush(): Promise<void> {
    stopTimer(timer);
    timer = undefined;
    writing ??= drain().finally(() => writing = undefined);
    return writing;
  }

  return {
    write(text) {
      if (closed) return undefined;
      pending += text;
      if (pending.length >= CHUNK_CHARS) return flush();
      timer ??= startTimer(flush, LINGER_MS);
      return undefined;
    },
    flush,
    async close() {
      await flush();
      stream.off("error", fail);
    },
  };
}
