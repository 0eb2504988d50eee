import { startTimer, stopTimer } from "../../base/timers.ts";
import { Notifier } from "../shell/notifier.ts";

/** Buffered characters at which reading from `lines` pauses. */
const MOST_CHARS = 64 * 1024;

/**
 * Streams lines as bytes. Lines that arrive together are sent in one chunk, and `lines` is read no faster
 * than the stream. While idle it sends `heartbeat` (default: an empty line) every `heartbeatMs`, so that each
 * side notices if the other is gone. Cancelling the stream returns the iterator of `lines`.
 */
export function lineStream(
  lines: AsyncIterable<string>,
  { heartbeatMs, heartbeat = "\n", onCancel }: {
    heartbeatMs: number;
    heartbeat?: string;
    onCancel: () => void;
  },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const news = new Notifier();
  const room = new Notifier();
  const buffer = { text: "", isOver: false, isCancelled: false, failure: undefined as unknown };

  /** Never rejects: a failure goes to the reader. */
  async function fill(): Promise<void> {
    try {
      for await (const line of lines) {
        buffer.text += line;
        news.notify();
        while (buffer.text.length >= MOST_CHARS && !buffer.isCancelled) await room.next();
        if (buffer.isCancelled) return;
      }
    } catch (error) {
      buffer.failure = error;
    } finally {
      buffer.isOver = true;
      news.notify();
    }
  }

  return new ReadableStream({
    start: () => void fill(),
    async pull(controller) {
      await newsOrHeartbeat();
      if (buffer.isCancelled) return;
      if (buffer.text !== "") {
        controller.enqueue(encoder.encode(buffer.text));
        buffer.text = "";
        room.notify();
      } else if (buffer.failure !== undefined) controller.error(buffer.failure);
      else if (buffer.isOver) controller.close();
      else controller.enqueue(encoder.encode(heartbeat));
    },
    cancel() {
      buffer.isCancelled = true;
      room.notify();
      onCancel();
    },
  }, { highWaterMark: 0 });

  async function newsOrHeartbeat(): Promise<void> {
    const silence = { isOver: false };
    const timer = startTimer(() => {
      silence.isOver = true;
      news.notify();
    }, heartbeatMs);
    while (buffer.text === "" && !buffer.isOver && !silence.isOver) await news.next();
    stopTimer(timer);
    // More lines often follow at once: sends them in the same chunk.
    if (!buffer.isOver && buffer.text.length < MOST_CHARS) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
