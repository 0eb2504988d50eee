import type { ClientRequest } from "node:http";
import type { Socket } from "node:net";
import { startTimer, stopTimer } from "../base/timers.ts";

/** Breaks a request whose connection is not made in time: a host that is down answers nothing, for minutes. */
export function limitConnecting(request: ClientRequest, ms: number): void {
  request.once("socket", (socket: Socket) => {
    if (!socket.connecting) return;
    const timer = startTimer(() => request.destroy(new Error(`No connection after ${ms} ms`)), ms);
    const stop = () => stopTimer(timer);
    socket.once("connect", stop);
    socket.once("close", stop);
    request.once("close", stop);
  });
}
