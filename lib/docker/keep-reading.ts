import type { Socket } from "node:net";

type Done = (error?: Error | null) => void;

/**
 * Keeps a socket readable after writing has failed. A process may end before it has read all its input. The
 * daemon then closes the connection while we still write, and Node's streams destroy it with output that has
 * not been read yet. With this, data that can no longer be written is dropped, and a connection that was
 * reset ends after the data already received.
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
