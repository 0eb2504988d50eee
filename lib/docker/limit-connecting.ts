import type { ClientRequest } from "node:http";
import type { Socket } from "node:net";
import { startTimer, stopTimer } from "../base/timers.ts";

/** Number of timers that the limit is split into. */
const PARTS = 10;

/**
 * Aborts a request that is not connected within `ms`: a host that is down does not answer for minutes. Time
 * in which this process is blocked counts as one part at most: the connection may exist without it knowing.
 */
export function limitConnecting(request: ClientRequest, ms: number): void {
  request.once("socket", (socket: Socket) => {
    if (!socket.connecting) return;
    const fire = () => request.destroy(new Error(`No connection after ${ms} ms`));
    const timer = startTimer(fire, ms, ms / PARTS);
    const stop = () => stopTimer(timer);
    socket.once("connect", stop);
    socket.once("close", stop);
    request.once("close", stop);
  });
}
