import { Retryable } from "../base/errors.ts";
import type { OutputChunk } from "./docker.ts";

/**
 * Maximum frame size: the daemon never sends more than it reads at once (32 KiB); a larger frame means that
 * the stream has another format.
 */
const MAX_FRAME_BYTES = 16 * 1024 * 1024;
const HEADER_BYTES = 8;

/**
 * Demultiplexes the output of a process. The daemon sends frames of
 * `[stream, 0, 0, 0, length as 4 bytes, big-endian]` and a payload, which may be split anywhere. Consecutive
 * payloads of one stream become one chunk, since a chunk costs its readers more than moving its bytes does;
 * the order is kept.
 *
 * The pieces of `source` are overwritten: payloads are moved over the headers, and chunks are views of the
 * pieces. Throws `Retryable` for an invalid header or a stream that ends inside a frame.
 */
export async function* demultiplex(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<OutputChunk, void, undefined> {
  const frames = new FrameReader();
  for await (const bytes of source) {
    for (const chunk of frames.read(bytes)) yield chunk;
  }
  frames.end();
}

class FrameReader {
  #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  #stream: OutputChunk["stream"] = "stdout";
  /** Bytes of the current frame's payload that are still missing. */
  #left = 0;

  read(bytes: Uint8Array): OutputChunk[] {
    const chunks: OutputChunk[] = [];
    // The chunk being assembled: bytes[start, end) of one stream.
    let stream = this.#stream;
    let start = 0;
    let end = 0;
    const flush = () => {
      if (end > start) chunks.push({ stream, data: bytes.subarray(start, end) });
    };
    let at = 0;
    while (at < bytes.length) {
      if (this.#left === 0) {
        at = this.#takeHeader(bytes, at);
        continue;
      }
      const length = Math.min(this.#left, bytes.length - at);
      if (end > start && this.#stream === stream) {
        bytes.copyWithin(end, at, at + length);
        end += length;
      } else {
        flush();
        stream = this.#stream;
        start = at;
        end = at + length;
      }
      at += length;
      this.#left -= length;
    }
    flush();
    return chunks;
  }

  end(): void {
    if (this.#left > 0 || this.#headerBytes > 0) {
      throw nonsense("Docker's output ends inside a frame");
    }
  }

  /** Reads what there is of a header and returns the index after it. */
  #takeHeader(bytes: Uint8Array, from: number): number {
    if (this.#headerBytes === 0 && from + HEADER_BYTES <= bytes.length) {
      this.#parseHeader(bytes, from);
      return from + HEADER_BYTES;
    }
    const part = bytes.subarray(from, from + HEADER_BYTES - this.#headerBytes);
    this.#header.set(part, this.#headerBytes);
    this.#headerBytes += part.length;
    if (this.#headerBytes === HEADER_BYTES) {
      this.#headerBytes = 0;
      this.#parseHeader(this.#header, 0);
    }
    return from + part.length;
  }

  #parseHeader(bytes: Uint8Array, at: number): void {
    const byte = (index: number) => bytes[at + index] as number;
    const length = byte(4) * 2 ** 24 + (byte(5) << 16 | byte(6) << 8 | byte(7));
    const type = byte(0);
    if ((type !== 1 && type !== 2) || (byte(1) | byte(2) | byte(3)) !== 0 || length > MAX_FRAME_BYTES) {
      throw nonsense(
        `Docker's output has the frame header "${
          Buffer.from(bytes.subarray(at, at + HEADER_BYTES)).toString("hex")
        }": ` +
          `expected stdout (01) or stderr (02) and a length of at most ${MAX_FRAME_BYTES}`,
      );
    }
    this.#stream = type === 1 ? "stdout" : "stderr";
    this.#left = length;
  }
}

function nonsense(message: string): Retryable {
  return new Retryable(message, { reason: "docker-unreachable" });
}
