import type { Socket } from "node:net";
import { Retryable } from "../base/errors.ts";
import type { Garbage } from "../base/garbage.ts";
import { demultiplex } from "./demultiplex.ts";
import { DockerError, type Exec, type OutputChunk } from "./docker.ts";
import { keepReading } from "./keep-reading.ts";
import type { Hijacked } from "./modem.ts";
import { unreachable } from "./unreachable.ts";

/** The daemon's state of an exec; the exit code is null until it has ended. */
export interface ExecState {
  readonly Running: boolean;
  readonly ExitCode: number | null;
}

/** Opens an exec on the connection handed over by its start. */
export function openExec(
  { id, endpoint, connection, garbage, stdin, inspect }: {
    id: string;
    endpoint: string;
    connection: Hijacked;
    garbage: Garbage;
    stdin: AsyncIterable<Uint8Array> | undefined;
    inspect: () => Promise<ExecState>;
  },
): Exec {
  const { socket } = connection;
  let detached = false;
  // If we close the connection, the daemon reports exit code 126 although the process is still running.
  let misled = false;
  let ended: number | undefined;
  let stdinError: { error: unknown } | undefined;
  // Errors are thrown when the output is read; until then they must not end this process.
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
      yield* demultiplex(received(connection, garbage));
      through = true;
    } catch (cause) {
      if (!detached && !stdinError) throw cause instanceof Retryable ? cause : unreachable(endpoint, cause);
    } finally {
      misled ||= !through;
      socket.destroy();
    }
    // A connection that we have closed ends normally on one runtime and throws on the other.
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

/**
 * Yields all data of a connection, from its beginning. A chunk counts as unused once the next one is asked
 * for.
 */
export async function* received(
  { socket, head }: Hijacked,
  garbage: Garbage,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (head.length > 0) yield head;
  for await (const chunk of socket as AsyncIterable<Uint8Array>) {
    yield chunk;
    garbage.add(chunk.length);
  }
}

/**
 * Asks for the exit code, since a daemon that dies between two frames closes the connection as if the process
 * had ended.
 */
async function confirmEnd(exitCode: () => Promise<unknown>): Promise<void> {
  try {
    await exitCode();
  } catch (error) {
    // The daemon is alive; a missing exit code is reported to the caller of `exitCode`.
    if (!(error instanceof DockerError)) throw error;
  }
}

/**
 * Writes all of `stdin` and closes it, as fast as the process reads. A process that stops reading is not an
 * error.
 */
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
