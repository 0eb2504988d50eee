import type { Socket } from "node:net";

type Done = (error?: Error | null) => void;

/**
 * A process may end without having read all that we have for it. The daemon then closes a connection on which we still
 * write, and Node's streams tear the whole of it down, with output in it that nobody has read yet. After this, what can no
 * longer be written is dropped, and a connection that was reset ends after what had come on it.
 */
export function keepReading(socket: Socket): void {
  const tolerant = (done: Done): Done => () => done();
  const { _write: write, _writev: writeAll } = socket;
  socket._write = (chunk, encoding, done) => write.call(socket, chunk, encoding, tolerant(done));
  if (writeAll) socket._writev = (chunks, done) => writeAll.call(socket, chunks, tolerant(done));

  const destroy = socket.destroy.bind(socket);
  socket.destroy = (error?: NodeJS.ErrnoException) => {
    if (error?.syscall === "write" || error?.syscall === "shutdown") return socket;
    if (error?.syscall !== "read" || error.code !== "ECONNRESET") return destroy(error);
    socket.push(null);
    return socket;
  };
}
