import { Retryable } from "../base/errors.ts";
import { demultiplex } from "./demultiplex.ts";
import type { Attached, OutputChunk } from "./docker.ts";
import type { Hijacked } from "./modem.ts";
import { received } from "./open-exec.ts";
import { unreachable } from "./unreachable.ts";

/** A container's own output on the connection that attaching has handed over. */
export function openAttached(endpoint: string, connection: Hijacked): Attached {
  const { socket } = connection;
  let detached = false;
  // Errors are thrown where the output is read; until then they must not end this process.
  socket.on("error", () => {});

  async function* output(): AsyncGenerator<OutputChunk, void, undefined> {
    try {
      yield* demultiplex(received(connection));
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
