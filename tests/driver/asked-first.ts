/**
 * The thread of `start_driver_test.ts`: a daemon that never answers, and a broker that hangs up. It says what
 * comes in its order, and counts that in shared memory, which a thread sees that does not let its own events
 * have a turn.
 */
import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { parentPort, workerData } from "node:worker_threads";

const { socket, count } = workerData as { socket: string; count: Int32Array };

function came(what: string): void {
  parentPort?.postMessage(what);
  Atomics.add(count, 0, 1);
  Atomics.notify(count, 0);
}

createServer((request) => came(`${request.method} ${request.url}`)).listen(socket, () => {
  const broker = createTcpServer((connection) => {
    came("broker");
    connection.destroy();
  }).listen(0, "127.0.0.1", () => {
    parentPort?.postMessage(broker.address());
  });
});
