import { Retryable } from "../base/errors.ts";
import type { Garbage } from "../base/garbage.ts";
import { demultiplex } from "./demultiplex.ts";
import type { Attached, OutputChunk } from "./docker.ts";
import type { Hijacked } from "./modem.ts";
import { received } from "./open-exec.ts";
import { unreachable } from "./unreachable.ts";

/** Reads a container's own output from the connection handed over by attach. */
export function openAttached(endpoint: string, connection: Hijacked, garbage: Garbage): Attached {
  const { socket } = connection;
  let detached = false;
  // Errors are thrown when the output is read; until then they must not end this process.
  socket.on("error", () => {});

  async function* output(): AsyncGenerator<OutputChunk, void, undefined> {
    try {
      yield* demultiplex(received(connection, garbage));
    } catch (cause) {
      if (!detached) throw cause instanceof Retryable ? cause : unreachable(endpoint, cause);
    } finally {
      socket.destroy();
    }
  }

  return {
    output: output(),
    detach() {
      detached = true;
      socket.destroy();
    },
  };
}
