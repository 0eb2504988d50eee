import { startTimer, stopTimer } from "../../base/timers.ts";
import { Notifier } from "../shell/notifier.ts";

/** Text that waits for its reader; more is not taken. */
const MOST_CHARS = 64 * 1024;

/**
 * Lines as a stream of bytes: many in one piece where they come fast, and no faster than they are read. While nothing comes,
 * an empty line (or `beat`) every `beatMs`, so that each side knows that the other is there. Cancelling returns `lines`' iterator.
 */
export function lineStream(
  lines: AsyncIterable<string>,
  { beatMs, beat = "\n", onCancel }: { beatMs: number; beat?: string; onCancel: () => void },
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
      else controller.enqueue(encoder.encode(beat));
    },
    cancel() {
      buffer.isCancelled = true;
      room.notify();
      onCancel();
    },
  }, { highWaterMark: 0 });

  async function newsOrHeartbeat(): Promise<void> {
    const heartbeat = { isDue: false };
    const timer = startTimer(() => {
      heartbeat.isDue = true;
      news.notify();
    }, beatMs);
    while (buffer.text === "" && !buffer.isOver && !heartbeat.isDue) await news.next();
    stopTimer(timer);
    // Where one line has come, others may be on their heels: they go with it.
    if (!buffer.isOver && buffer.text.length < MOST_CHARS) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
