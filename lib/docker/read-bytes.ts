import type { IncomingMessage } from "node:http";
import { unreachable } from "./unreachable.ts";

/**
 * Yields a response's body, as fast as the caller reads. Throws `Retryable` if it is cut short,
 * `signal.reason` if the signal fires. Leaving it early closes the connection.
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
