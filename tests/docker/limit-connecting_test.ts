import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import type { ClientRequest } from "node:http";
import { test } from "node:test";
import { limitConnecting } from "../../lib/docker/limit-connecting.ts";

/** A request as far as it matters here: what it is destroyed with comes out as an event. */
function fakeRequest(): EventEmitter & ClientRequest {
  const request = new EventEmitter();
  return Object.assign(request, {
    destroy: (error: Error) => request.emit("destroyed", error),
  }) as unknown as EventEmitter & ClientRequest;
}

const fakeSocket = (connecting: boolean) => Object.assign(new EventEmitter(), { connecting });

test("limitConnecting breaks a request whose connection is not made in time", async () => {
  const request = fakeRequest();
  limitConnecting(request, 5);
  const destroyed = once(request, "destroyed");
  request.emit("socket", fakeSocket(true));
  const [error] = await destroyed;
  assert.match(error.message, /No connection after 5 ms/);
});

test("limitConnecting leaves a request alone whose connection is made, was there or is given up", async () => {
  const requests = [1, 2, 3].map(() => fakeRequest());
  const destroyed: unknown[] = [];
  const sockets = [fakeSocket(true), fakeSocket(false), fakeSocket(true)];
  requests.forEach((request, i) => {
    request.on("destroyed", () => destroyed.push(i));
    limitConnecting(request, 5);
    request.emit("socket", sockets[i]);
  });
  sockets[0]?.emit("connect");
  requests[2]?.emit("close");
  // One whose time runs out only after theirs would have.
  const last = fakeRequest();
  limitConnecting(last, 10);
  const end = once(last, "destroyed");
  last.emit("socket", fakeSocket(true));
  await end;
  assert.deepEqual(destroyed, []);
});

test("limitConnecting counts no time in which the process was kept from seeing its connection", async () => {
  const request = fakeRequest();
  const destroyed: unknown[] = [];
  request.on("destroyed", (error) => destroyed.push(error));
  limitConnecting(request, 20);
  const socket = fakeSocket(true);
  request.emit("socket", socket);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
  // After the timers that are due.
  await new Promise((resolve) => setImmediate(resolve));
  socket.emit("connect");
  assert.deepEqual(destroyed, []);
});
