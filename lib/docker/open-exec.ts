import type { Socket } from "node:net";
import { Retryable } from "../base/errors.ts";
import { demultiplex } from "./demultiplex.ts";
import { DockerError, type Exec, type OutputChunk } from "./docker.ts";
import { keepReading } from "./keep-reading.ts";
import type { Hijacked } from "./modem.ts";
import { unreachable } from "./unreachable.ts";

/** What the daemon knows of an exec; the exit code is null until it has ended. */
export interface ExecState {
  readonly Running: boolean;
  readonly ExitCode: number | null;
}

/** An exec on the connection that its start has handed over. */
export function openExec(
  { id, endpoint, connection, stdin, inspect }: {
    id: string;
    endpoint: string;
    connection: Hijacked;
    stdin: AsyncIterable<Uint8Array> | undefined;
    inspect: () => Promise<ExecState>;
  },
): Exec {
  const { socket } = connection;
  let detached = false;
  // The daemon takes a connection that we break for a start that failed, and says 126 although the process goes on.
  let misled = false;
  let ended: number | undefined;
  let stdinError: { error: unknown } | undefined;
  // What goes wrong is thrown where the output is read; until somebody reads, it must not end this process.
  socket.on("error", () => {});

  async function exitCode(): Promise<number | undefined> {
    if (ended !== undefined || misled) return ended;
    const state = await inspect();
    if (!state.Running && state.ExitCode !== null) ended = state.ExitCode;
    return ended;
  }

  async function* output(): AsyncGenerator<OutputChunk, void, undefined> {
    let through = false;
    try {
      yield* demultiplex(received(connection));
      through = true;
    } catch (cause) {
      if (!detached && !stdinError) throw cause instanceof Retryable ? cause : unreachable(endpoint, cause);
    } finally {
      misled ||= !through;
      socket.destroy();
    }
    // A connection that we have broken ourselves ends like any other on one runtime and throws on the other.
    if (stdinError) throw stdinError.error;
    if (!detached) await confirmEnd(exitCode);
  }

  if (stdin) {
    feed(socket, stdin).catch((error) => {
      stdinError = { error };
      misled = true;
      socket.destroy();
    });
  }
  return {
    id,
    output: output(),
    exitCode,
    detach() {
      if (detached) return;
      detached = true;
      misled ||= !socket.readableEnded;
      socket.destroy();
    },
  };
}

/** All that comes on a connection, from its beginning. */
export async function* received({ socket, head }: Hijacked): AsyncGenerator<Uint8Array, void, undefined> {
  if (head.length > 0) yield head;
  yield* socket;
}

/** A daemon that dies between two frames closes the connection like one whose process has ended: ask. */
async function confirmEnd(exitCode: () => Promise<unknown>): Promise<void> {
  try {
    await exitCode();
  } catch (error) {
    // It is there; that it knows no exit code is for who asks for that.
    if (!(error instanceof DockerError)) throw error;
  }
}

/** Writes all of `stdin` and closes it, as fast as the process reads. A process that reads no further is no error. */
async function feed(socket: Socket, stdin: AsyncIterable<Uint8Array>): Promise<void> {
  keepReading(socket);
  let wake = () => {};
  socket.on("drain", () => wake());
  socket.on("close", () => wake());
  for await (const bytes of stdin) {
    if (socket.destroyed) return;
    const drained = new Promise<void>((resolve) => wake = resolve);
    if (!socket.write(bytes)) await drained;
  }
  socket.end();
}
