import type { ClientRequest } from "node:http";
import type { Socket } from "node:net";
import { startTimer, stopTimer } from "../base/timers.ts";

/** The limit runs out in so many parts. */
const PARTS = 10;

/**
 * Breaks a request whose connection is not made in time: a host that is down answers nothing, for minutes. Time in which this
 * process is kept from working counts for one part at most: it may have the connection and not know it yet.
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
