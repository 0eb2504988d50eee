import assert from "node:assert/strict";
import { Retryable } from "../../lib/base/errors.ts";
import type { ContainerSpec, Docker } from "../../lib/docker/docker.ts";
import { connectDocker } from "../../lib/docker/dockerode.ts";
import { turns } from "../support/until.ts";
import { answer, type FakeDaemon, type FakeRequest, startFakeDaemon } from "./fake-daemon.ts";

/** Answers a request. */
export type Handle = (request: FakeRequest, daemon: FakeDaemon) => void;

/** A client of a daemon that answers like this. */
export async function docked(
  handle: Handle,
  work: (docker: Docker, daemon: FakeDaemon) => Promise<void>,
  options: Parameters<typeof startFakeDaemon>[1] = {},
): Promise<void> {
  await using daemon = await startFakeDaemon(handle, options);
  await using docker = connectDocker(daemon.endpoint);
  await work(docker, daemon);
}

/** Never answers. */
export const silent: Handle = () => {};

/** An exec whose output the test writes, on the connection it is given. */
export const execWith =
  (start: Handle, state: object = { Running: false, ExitCode: 0 }): Handle => (request, daemon) => {
    if (request.line.endsWith("/start")) start(request, daemon);
    else if (request.line.endsWith("/json")) request.socket.write(answer(200, state));
    else request.socket.write(answer(201, { Id: "e1" }));
  };

/** A check of what was thrown: `Retryable` with this daemon's endpoint and a cause. */
export function isUnreachable(daemon: FakeDaemon): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof Retryable, String(error));
    assert.equal(error.reason, "docker-unreachable");
    assert.equal(error.message, `Cannot reach Docker at ${daemon.endpoint.name}`);
    assert.ok(error.cause);
    return true;
  };
}

/** All of a stream, or of a process's output, as one text. */
export async function text(pieces: AsyncIterable<Uint8Array | { data: Uint8Array }>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push("data" in piece ? piece.data : piece);
  return Buffer.concat(all).toString();
}

/** As little of a container as can be asked for. */
export function spec(): ContainerSpec {
  return {
    name: "some-name",
    image: "debian",
    labels: {},
    entrypoint: [],
    command: [],
    env: { TOKEN: "hunter2" },
    workdir: "/",
    volume: { target: "/workspace", labels: {} },
    network: "none",
    capabilities: [],
    privileged: false,
    pids: 10,
    memory: 1e9,
  };
}

/** Bytes without end; `onEnd` when its reader has left. */
export async function* endless(onEnd: () => void = () => {}): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      yield new Uint8Array(65_536);
      await turns(1);
    }
  } finally {
    onEnd();
  }
}
