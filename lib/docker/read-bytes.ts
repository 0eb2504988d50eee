import type { IncomingMessage } from "node:http";
import { unreachable } from "./unreachable.ts";

/**
 * The body of an answer, read as slowly as it is asked for. Throws `Retryable` where it is cut short, `signal.reason` when
 * the signal fires; leaving it early breaks the connection.
 */
export async function* readBytes(
  response: IncomingMessage,
  { endpoint, signal }: { endpoint: string; signal: AbortSignal | undefined },
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const bytes of response) yield bytes;
  } catch (cause) {
    throw signal?.aborted ? signal.reason : unreachable(endpoint, cause);
  }
}
