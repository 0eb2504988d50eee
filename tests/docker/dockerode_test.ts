import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import type { Socket } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import { type ContainerSpec, type Docker, DockerError } from "../../lib/docker/docker.ts";
import { connectDocker } from "../../lib/docker/dockerode.ts";
import { TEST_CERTIFICATE } from "./certificate.ts";
import {
  answer,
  chunked,
  CHUNKED_END,
  type FakeDaemon,
  type FakeRequest,
  frame,
  startFakeDaemon,
  UPGRADED,
} from "./fake-daemon.ts";

type Handle = (request: FakeRequest, daemon: FakeDaemon) => void;

/** A client of a daemon that answers like this. */
async function docked(
  handle: Handle,
  work: (docker: Docker, daemon: FakeDaemon) => Promise<void>,
  options: Parameters<typeof startFakeDaemon>[1] = {},
): Promise<void> {
  await using daemon = await startFakeDaemon(handle, options);
  await using docker = connectDocker(daemon.endpoint);
  await work(docker, daemon);
}

const silent: Handle = () => {};

/** An exec whose output the test writes, on the connection it is given. */
const execWith =
  (start: Handle, state: object = { Running: false, ExitCode: 0 }): Handle => (request, daemon) => {
    if (request.line.endsWith("/start")) start(request, daemon);
    else if (request.line.endsWith("/json")) request.socket.write(answer(200, state));
    else request.socket.write(answer(201, { Id: "e1" }));
  };

function isUnreachable(daemon: FakeDaemon): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof Retryable, String(error));
    assert.equal(error.reason, "docker-unreachable");
    assert.equal(error.message, `Cannot reach Docker at ${daemon.endpoint.name}`);
    assert.ok(error.cause);
    return true;
  };
}

async function text(pieces: AsyncIterable<Uint8Array | { data: Uint8Array }>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push("data" in piece ? piece.data : piece);
  return Buffer.concat(all).toString();
}

for (
  const [what, handle] of [
    ["closes the connection", ({ socket }) => socket.destroy()],
    ["ends the connection", ({ socket }) => socket.end()],
    [
      "cuts an answer of known length short",
      ({ socket }) => socket.end(answer(200, { Id: "x" }).slice(0, -3)),
    ],
    ["cuts an answer of unknown length short", ({ socket }) => socket.end(chunked('{"Id":'))],
    ["breaks an answer off", ({ socket }) => socket.write(chunked('{"Id":'), () => socket.destroy())],
    ["does not speak HTTP", ({ socket }) => socket.end("SSH-2.0-Daemon\r\n")],
    ["hands its connection over unasked", ({ socket }) => socket.write(UPGRADED)],
    ["dies", (_, daemon) => void daemon.die()],
  ] as [string, Handle][]
) {
  test(`connectDocker fails with Retryable and the endpoint when the daemon ${what}`, () =>
    docked(handle, async (docker, daemon) => {
      await assert.rejects(docker.inspect("abc"), isUnreachable(daemon));
    }));
}

test("connectDocker fails with Retryable when nobody listens", () =>
  docked(silent, async (docker, daemon) => {
    await daemon.die();
    await assert.rejects(docker.inspect("abc"), (error: Retryable) => {
      assert.equal((error.cause as NodeJS.ErrnoException).code, "ENOENT");
      return isUnreachable(daemon)(error);
    });
    await assert.rejects(docker.exec("abc", { command: ["x"] }), isUnreachable(daemon));
  }));

test("connectDocker fails with the daemon's own words and status", () =>
  docked(
    ({ socket }) => socket.write(answer(500, { message: "no space left on device" })),
    async (docker) => {
      await assert.rejects(docker.start("abc"), (error) => {
        assert.ok(error instanceof DockerError);
        assert.equal(error.message, "no space left on device");
        assert.equal(error.status, 500);
        return true;
      });
    },
  ));

test("connectDocker fails with the words of a proxy that is no daemon", () =>
  docked(({ socket }) => socket.write(answer(502, "Bad gateway\n")), async (docker) => {
    await assert.rejects(docker.info(), { name: "DockerError", message: "Bad gateway", status: 502 });
  }));

test("connectDocker fails with the status where there are no words", () =>
  docked(({ socket }) => socket.write(answer(503)), async (docker) => {
    await assert.rejects(docker.info(), {
      name: "DockerError",
      message: "Unexpected status 503",
      status: 503,
    });
  }));

test("connectDocker says what it got where JSON was expected", () =>
  docked(({ socket }) => socket.write(answer(200, "<html>hello</html>")), async (docker) => {
    await assert.rejects(docker.info(), {
      name: "DockerError",
      message: /"<html>hello<\/html>": expected JSON/,
    });
  }));

test("connectDocker goes by its endpoint, whatever the environment says", async () => {
  const before = { ...process.env };
  Object.assign(process.env, {
    DOCKER_HOST: "tcp://127.0.0.1:1",
    DOCKER_TLS_VERIFY: "1",
    DOCKER_CERT_PATH: "/nowhere",
  });
  try {
    await docked(({ socket }) => socket.write(answer(404, { message: "gone" })), async (docker) => {
      assert.equal(await docker.inspect("abc"), undefined);
    });
  } finally {
    for (const name of ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"]) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
});

test("connectDocker uses one connection for one call after the other", () =>
  docked(({ socket }) => socket.write(answer(404, { message: "gone" })), async (docker, daemon) => {
    for (let i = 0; i < 5; i++) await docker.inspect("abc");
    assert.equal(daemon.accepted, 1);
  }));

test("connectDocker leaves no connection behind when it is disposed of", () =>
  docked(({ socket }) => socket.write(answer(404, { message: "gone" })), async (docker, daemon) => {
    await docker.inspect("abc");
    await docker[Symbol.asyncDispose]();
    await daemon.idle();
    await docker[Symbol.asyncDispose]();
  }));

const CALLS: [string, (docker: Docker, signal: AbortSignal) => Promise<unknown>][] = [
  ["inspect", (docker, signal) => docker.inspect("abc", { signal })],
  ["info", (docker, signal) => docker.info({ signal })],
  ["now", (docker, signal) => docker.now({ signal })],
  ["inspectImage", (docker, signal) => docker.inspectImage("debian", { signal })],
  ["pull", (docker, signal) => docker.pull("debian", { signal })],
  ["create", (docker, signal) => docker.create(spec(), { signal })],
  ["start", (docker, signal) => docker.start("abc", { signal })],
  ["list", (docker, signal) => docker.list({}, { signal })],
  ["processes", (docker, signal) => docker.processes("abc", { signal })],
  ["kill", (docker, signal) => docker.kill("abc", { signal })],
  ["remove", (docker, signal) => docker.remove("abc", { signal })],
  ["exec", (docker, signal) => docker.exec("abc", { command: ["x"] }, { signal })],
  ["copyIn", (docker, signal) => docker.copyIn("abc", "/", endless(), { signal })],
  ["copyOut", (docker, signal) => docker.copyOut("abc", "/", { signal })],
  ["exists", (docker, signal) => docker.exists("abc", "/", { signal })],
  ["oomEvents", (docker, signal) => docker.oomEvents("abc", 0, { signal })],
  ["networks", (docker, signal) => docker.networks({}, { signal })],
  ["network", (docker, signal) => docker.network("abc", { signal })],
  [
    "createNetwork",
    (docker, signal) => docker.createNetwork({ name: "abc", labels: {}, isolated: true }, { signal }),
  ],
  ["removeNetwork", (docker, signal) => docker.removeNetwork("abc", { signal })],
  ["volumes", (docker, signal) => docker.volumes({}, { signal })],
  ["removeVolume", (docker, signal) => docker.removeVolume("abc", { signal })],
];

function spec(): ContainerSpec {
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

async function* endless(onEnd: () => void = () => {}): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      yield new Uint8Array(65_536);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  } finally {
    onEnd();
  }
}

for (const [name, ask] of CALLS) {
  test(`${name} ends with the signal's reason and breaks its connection while the daemon is silent`, async () => {
    const controller = new AbortController();
    const reason = new Error("cancelled");
    await docked(() => controller.abort(reason), async (docker, daemon) => {
      await assert.rejects(ask(docker, controller.signal), reason);
      await daemon.idle();
      assert.equal(daemon.requests.length, 1);
      await assert.rejects(ask(docker, controller.signal), reason);
      assert.equal(daemon.requests.length, 1);
    });
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  });
}

test("connectDocker ends a call with the signal's reason in the middle of an answer", async () => {
  const controller = new AbortController();
  const reason = new Error("cancelled");
  await docked(({ socket }) => socket.write(chunked("[")), async (docker, daemon) => {
    setTimeout(() => controller.abort(reason), 20);
    await assert.rejects(docker.volumes({}, { signal: controller.signal }), reason);
    await daemon.idle();
  });
});

test("connectDocker leaves no listener at a signal that never fires", async () => {
  const { signal } = new AbortController();
  const handle: Handle = ({ line, socket }) => {
    if (line.startsWith("HEAD ")) socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    else if (line.startsWith("GET /containers/abc/archive")) socket.write(chunked("tar") + CHUNKED_END);
    else if (line === "POST /exec/e1/start") socket.end(UPGRADED + frame("x"));
    else if (line.endsWith("/exec")) socket.write(answer(201, { Id: "e1" }));
    else if (line.endsWith("/json")) socket.write(answer(200, { Running: false, ExitCode: 0 }));
    else socket.write(answer(500, { message: "no" }));
  };
  await docked(handle, async (docker) => {
    assert.equal(await docker.exists("abc", "/x", { signal }), true);
    await assert.rejects(docker.start("abc", { signal }), DockerError);
    await assert.rejects(docker.pull("debian", { signal }), DockerError);
    for await (const _ of await docker.copyOut("abc", "/x", { signal }) ?? []);
    await text((await docker.exec("abc", { command: ["x"] }, { signal })).output);
  });
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("copyOut throws Retryable where the archive is cut short, after what had come", () =>
  docked(({ socket }) => socket.end(chunked("first")), async (docker, daemon) => {
    const pieces = (await docker.copyOut("abc", "/x")) as AsyncGenerator<Uint8Array>;
    assert.equal(Buffer.from((await pieces.next()).value ?? []).toString(), "first");
    await assert.rejects(pieces.next(), isUnreachable(daemon));
  }));

test("copyOut throws the signal's reason in the middle of the archive and breaks its connection", () =>
  docked(({ socket }) => socket.write(chunked("first")), async (docker, daemon) => {
    const controller = new AbortController();
    const reason = new Error("cancelled");
    const pieces = await docker.copyOut("abc", "/x", { signal: controller.signal });
    const reading = (async () => {
      for await (const _ of pieces ?? []) controller.abort(reason);
    })();
    await assert.rejects(reading, reason);
    await daemon.idle();
  }));

test("copyOut breaks its connection when its reader leaves early, or the signal fires before it reads", () =>
  docked(({ socket }) => socket.write(chunked("first")), async (docker, daemon) => {
    for await (const _ of (await docker.copyOut("abc", "/x")) ?? []) break;
    await daemon.idle();
    const controller = new AbortController();
    await docker.copyOut("abc", "/x", { signal: controller.signal });
    controller.abort();
    await daemon.idle();
  }));

test("copyIn throws what its source throws and breaks its connection", () =>
  docked(silent, async (docker, daemon) => {
    const failure = new Error("no such file");
    const source = (async function* () {
      yield new Uint8Array(10);
      while (daemon.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      throw failure;
    })();
    await assert.rejects(docker.copyIn("abc", "/x", source), failure);
    await daemon.idle();
  }));

test("copyIn fails with the daemon's answer although not everything is sent, and closes its source", () =>
  docked(
    ({ socket }) => socket.write(answer(404, { message: "No such container" })),
    async (docker, daemon) => {
      const closed = Promise.withResolvers<void>();
      await assert.rejects(docker.copyIn("abc", "/x", endless(closed.resolve)), {
        name: "DockerError",
        status: 404,
      });
      await closed.promise;
      await daemon.idle();
    },
  ));

test("exec throws Retryable when the daemon dies between two frames", () =>
  docked(
    execWith(({ socket }, daemon) => socket.write(UPGRADED + frame("hello"), () => void daemon.die())),
    async (docker, daemon) => {
      const { output } = await docker.exec("abc", { command: ["x"] });
      await assert.rejects(text(output), isUnreachable(daemon));
    },
  ));

for (
  const [what, rest, end] of [
    ["is cut inside a frame", frame("he", { length: 5 }), true],
    ["is cut inside a header", "\x01\0\0", true],
    ["has a frame of 4 GiB", frame("", { length: 0xffffffff }), false],
    ["has a frame of another kind", frame("x", { stream: 7 }), false],
  ] as const
) {
  test(`exec throws Retryable when its output ${what}, and lets go of the connection`, () => {
    const start: Handle = ({ socket }) => {
      socket.write(UPGRADED + frame("hello") + rest);
      if (end) socket.end();
    };
    return docked(execWith(start), async (docker, daemon) => {
      const { output } = await docker.exec("abc", { command: ["x"] });
      await assert.rejects(text(output), Retryable);
      await docker[Symbol.asyncDispose]();
      await daemon.idle();
    });
  });
}

test("exec throws Retryable when its connection was reset before anybody has read from it", async () => {
  const reset = Promise.withResolvers<void>();
  const start: Handle = ({ socket }) => {
    socket.on("close", () => reset.resolve());
    socket.write(UPGRADED, () => setTimeout(() => socket.resetAndDestroy(), 20));
  };
  await docked(execWith(start), async (docker, daemon) => {
    const { output } = await docker.exec("abc", { command: ["x"] });
    await reset.promise;
    await new Promise((resolve) => setTimeout(resolve, 20));
    await assert.rejects(text(output), isUnreachable(daemon));
  }, { tcp: true });
});

test("exec gives output that came together with the daemon's consent", () =>
  docked(execWith(({ socket }) => socket.end(UPGRADED + frame("hello"))), async (docker) => {
    const exec = await docker.exec("abc", { command: ["x"] });
    assert.equal(await text(exec.output), "hello");
    assert.equal(await exec.exitCode(), 0);
  }));

test("exec fails where the daemon answers instead of giving its connection", async () => {
  for (const [status, message] of [[409, "Container is paused"], [200, "no upgrade"]] as const) {
    await docked(execWith(({ socket }) => socket.write(answer(status, { message }))), async (docker) => {
      await assert.rejects(docker.exec("abc", { command: ["x"] }), { name: "DockerError", message, status });
    });
  }
});

test("exec has no exit code while the process runs, although its output has ended", () =>
  docked(
    execWith(({ socket }) => socket.end(UPGRADED), { Running: true, ExitCode: null }),
    async (docker) => {
      const exec = await docker.exec("abc", { command: ["x"] });
      assert.equal(await text(exec.output), "");
      assert.equal(await exec.exitCode(), undefined);
    },
  ));

test("exec goes on when the signal of its start fires later", () =>
  docked(
    execWith(({ socket }) => {
      socket.write(UPGRADED + frame("one "));
      socket.on("data", () => socket.end(frame("two")));
    }),
    async (docker) => {
      const controller = new AbortController();
      const stdin = (async function* () {
        controller.abort();
        yield Buffer.from("now");
      })();
      const exec = await docker.exec("abc", { command: ["x"], stdin }, { signal: controller.signal });
      assert.equal(await text(exec.output), "one two");
    },
  ));

test("exec lets go when it is detached, before and while its output is read", () =>
  docked(execWith(({ socket }) => socket.write(UPGRADED + frame("hello"))), async (docker, daemon) => {
    const unread = await docker.exec("abc", { command: ["x"] });
    unread.detach();
    await text(unread.output);
    const read = await docker.exec("abc", { command: ["x"] });
    for await (const _ of read.output) read.detach();
    const waiting = await docker.exec("abc", { command: ["x"] });
    const reading = text(waiting.output);
    setTimeout(() => waiting.detach(), 10);
    await reading;
    await docker[Symbol.asyncDispose]();
    await daemon.idle();
  }));

for (const [when, late] of [["at once", false], ["only after the process has ended", true]] as const) {
  test(`exec gives all output of a process that does not read its standard input, read ${when}`, async () => {
    const written = Promise.withResolvers<Socket>();
    const closed = Promise.withResolvers<void>();
    const start: Handle = ({ socket }) => {
      socket.pause();
      socket.on("close", () => closed.resolve());
      // Little enough to fit into what lies between the two.
      socket.write(UPGRADED + frame("x".repeat(8000)).repeat(15), () => written.resolve(socket));
    };
    await docked(execWith(start, { Running: false, ExitCode: 7 }), async (docker) => {
      let pieces = 0;
      const full = Promise.withResolvers<void>();
      const source = Promise.withResolvers<void>();
      const stdin = (async function* () {
        try {
          for (;;) {
            // By then there is something that the daemon has not read, which makes its closing a reset.
            if (++pieces === 3) full.resolve();
            yield new Uint8Array(65_536);
          }
        } finally {
          source.resolve();
        }
      })();
      const exec = await docker.exec("abc", { command: ["x"], stdin });
      const ending = Promise.all([written.promise, full.promise]).then(([socket]) => socket.destroy());
      if (late) await Promise.all([ending, closed.promise]);
      assert.equal((await text(exec.output)).length, 120_000);
      assert.equal(await exec.exitCode(), 7);
      await source.promise;
    });
  });
}

for (
  const [what, send] of [
    [
      "exec",
      (docker: Docker, stdin: AsyncIterable<Uint8Array>) => docker.exec("abc", { command: ["x"], stdin }),
    ],
    ["copyIn", (docker: Docker, tar: AsyncIterable<Uint8Array>) => docker.copyIn("abc", "/", tar)],
  ] as const
) {
  test(`${what} takes no more of what it sends than the daemon reads`, async () => {
    const handle: Handle = (request, daemon) => {
      if (request.line.endsWith("/exec")) execWith(silent)(request, daemon);
      else request.socket.pause();
      if (request.line.endsWith("/start")) request.socket.write(UPGRADED);
    };
    await docked(handle, async (docker, daemon) => {
      let pieces = 0;
      const source = (async function* () {
        for (; pieces < 1000; pieces++) yield new Uint8Array(65_536);
      })();
      const sending = Promise.resolve(send(docker, source)).then((sent) => sent?.output && text(sent.output));
      const failed = assert.rejects(sending, Retryable);
      while (pieces === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      // Time enough for all of it, if nothing held it back.
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.ok(pieces < 100, `${pieces} pieces`);
      await daemon.die();
      await failed;
    });
  });
}

test("exec throws what its standard input throws", () =>
  docked(execWith(({ socket }) => socket.write(UPGRADED)), async (docker) => {
    const failure = new Error("no such file");
    const stdin = (async function* () {
      yield Buffer.from("a");
      throw failure;
    })();
    const exec = await docker.exec("abc", { command: ["x"], stdin });
    await assert.rejects(text(exec.output), failure);
  }));

test("create puts nothing but the name into the address", () =>
  docked(({ socket }) => socket.write(answer(201, { Id: "abc" })), async (docker, daemon) => {
    assert.equal(await docker.create(spec()), "abc");
    assert.equal(daemon.requests[0]?.line, "POST /containers/create?name=some-name");
    assert.match(daemon.requests[0]?.text ?? "", /"TOKEN=hunter2"/);
  }));

test("pull sends a login in a header, not in the address", () =>
  docked(({ socket }) => socket.write(chunked("") + CHUNKED_END), async (docker, daemon) => {
    const login = { username: "me", password: "hunter2", serverAddress: "r.io" };
    await docker.pull("r.io/a/b", { login, signal: new AbortController().signal });
    assert.equal(daemon.requests[0]?.line, "POST /images/create?fromImage=r.io%2Fa%2Fb&tag=latest");
    const header = /\r\nx-registry-auth: (\S+)/i.exec(daemon.requests[0]?.text ?? "")?.[1] ?? "";
    assert.equal(header.length % 4, 0, "padded");
    assert.deepEqual(JSON.parse(Buffer.from(header, "base64url").toString()), {
      username: "me",
      password: "hunter2",
      serveraddress: "r.io",
    });
    await docker.pull("r.io/x@sha256:" + "0".repeat(64), {
      login: { identityToken: "t", serverAddress: "r.io" },
    });
    assert.match(daemon.requests[1]?.line ?? "", /fromImage=r\.io%2Fx&tag=sha256%3A0{64}$/);
  }));

test("pull says how far it is, and fails with what comes inside the stream", () => {
  const messages = [
    { status: "Pulling from a/b", id: "1" },
    { status: "Downloading", id: "4f4fb700ef54", progressDetail: { current: 1572864, total: 3145728 } },
    { errorDetail: { message: "unexpected EOF" }, error: "unexpected EOF" },
  ].map((message) => JSON.stringify(message)).join("\r\n");
  return docked(
    ({ socket }) => socket.write(chunked(messages.slice(0, 50), messages.slice(50)) + CHUNKED_END),
    async (docker) => {
      const lines: string[] = [];
      const pulling = docker.pull("r.io/a/b:1", { onProgress: ({ text }) => lines.push(text) });
      await assert.rejects(pulling, { name: "DockerError", message: "unexpected EOF", status: 0 });
      assert.deepEqual(lines, ["1: Pulling from a/b", "4f4fb700ef54: Downloading 1.5 MiB/3.0 MiB"]);
    },
  );
});

test("pull throws Retryable where the stream is cut short", () =>
  docked(({ socket }) => socket.end(chunked('{"status":"Pulling"}\n')), async (docker, daemon) => {
    await assert.rejects(docker.pull("r.io/a/b"), isUnreachable(daemon));
  }));

test("list is one request, however many containers there are", () => {
  const states = ["running", "exited", "dead"];
  const found = Array.from({ length: 300 }, (_, i) => ({
    Id: `c${i}`,
    Names: i === 0 ? ["/other/alias", "/n0"] : [`/n${i}`],
    Labels: i === 1 ? null : { a: `${i}` },
    State: states[i % 3],
    Created: 1_767_323_045 + i,
  }));
  const handle: Handle = ({ socket }) => socket.write(answer(200, found));
  return docked(handle, async (docker, daemon) => {
    const listed = await docker.list({ a: "", b: "c" });
    assert.equal(listed.length, 300);
    assert.deepEqual(listed.slice(0, 2), [
      { id: "c0", name: "n0", labels: { a: "0" }, state: "running", createdSecond: 1_767_323_045 },
      { id: "c1", name: "n1", labels: {}, state: "exited", createdSecond: 1_767_323_046 },
    ]);
    const filters = encodeURIComponent(JSON.stringify({ label: ["a", "b=c"] }));
    assert.deepEqual(daemon.requests.map(({ line }) => line), [
      `GET /containers/json?all=true&filters=${filters}`,
    ]);
  });
});

test("remove waits where a removal is under way already", async () => {
  const removed = Promise.withResolvers<void>();
  const handle: Handle = ({ line, socket }) => {
    if (line.startsWith("DELETE ")) {
      socket.write(answer(409, { message: "removal of container abc is already in progress" }));
      return;
    }
    assert.equal(line, "POST /containers/abc/wait?condition=removed");
    removed.promise.then(() => socket.write(answer(200, { StatusCode: 0 })));
  };
  await docked(handle, async (docker, daemon) => {
    let done = false;
    const removing = docker.remove("abc").finally(() => done = true);
    while (daemon.requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(done, false);
    removed.resolve();
    assert.equal(await removing, true);
  });
});

test("info takes a daemon that does not speak of bridge filters for one that has them", async () => {
  for (
    const [said, expected] of [[{}, true], [{ BridgeNfIptables: false }, false], [
      { BridgeNfIptables: true },
      true,
    ]] as const
  ) {
    await docked(({ socket }) => socket.write(answer(200, said)), async (docker) => {
      assert.equal((await docker.info()).filtersBridges, expected);
    });
  }
});

test("network does not take the beginning of an id for a name", () =>
  docked(
    ({ socket }) => socket.write(answer(200, { Id: "abcdef", Name: "other", Labels: { a: "b" } })),
    async (docker) => {
      assert.equal(await docker.network("abc"), undefined);
      assert.deepEqual(await docker.network("other"), { id: "abcdef", labels: { a: "b" } });
      assert.deepEqual(await docker.network("abcdef"), { id: "abcdef", labels: { a: "b" } });
    },
  ));

for (const name of ["", ".", "..", "../info", "a/../../info", "a?b", "a b", "-a", "a\n", "%2e"]) {
  test(`connectDocker never asks the daemon for ${JSON.stringify(name)}, which can be nobody's name`, () =>
    docked(({ socket }) => socket.write(answer(200, {})), async (docker, daemon) => {
      assert.equal(await docker.inspect(name), undefined);
      assert.equal(await docker.kill(name), false);
      assert.equal(await docker.remove(name), false);
      assert.equal(await docker.exists(name, "/"), false);
      assert.equal(await docker.copyOut(name, "/"), undefined);
      assert.deepEqual(await docker.processes(name), []);
      assert.equal(await docker.network(name), undefined);
      assert.equal(await docker.removeNetwork(name), false);
      assert.equal(await docker.removeVolume(name), false);
      await assert.rejects(docker.start(name), { name: "DockerError", status: 404 });
      await assert.rejects(docker.exec(name, { command: ["x"] }), { name: "DockerError", status: 404 });
      await assert.rejects(docker.copyIn(name, "/", endless()), { name: "DockerError", status: 404 });
      assert.deepEqual(daemon.requests, []);
    }));
}

test("connectDocker speaks TLS, on a connection that is handed over too", () =>
  docked(
    execWith(({ socket }) => {
      socket.write(UPGRADED);
      socket.on("data", (bytes) => socket.write(frame(bytes.toString())));
      socket.on("end", () => socket.end(frame("!", { stream: 2 })));
    }, { Running: false, ExitCode: 3 }),
    async (docker) => {
      const stdin = (async function* () {
        yield Buffer.from("hello");
      })();
      const exec = await docker.exec("abc", { command: ["x"], stdin });
      assert.equal(await text(exec.output), "hello!");
      assert.equal(await exec.exitCode(), 3);
    },
    { tls: TEST_CERTIFICATE },
  ));

test("connectDocker refuses a daemon whose certificate it does not know, unless told to accept any", async () => {
  await using daemon = await startFakeDaemon(({ socket }) => socket.write(answer(404, { message: "gone" })), {
    tls: TEST_CERTIFICATE,
  });
  await using strict = connectDocker({ ...daemon.endpoint, tls: { rejectUnauthorized: true } });
  await assert.rejects(strict.inspect("abc"), isUnreachable(daemon));
  assert.equal(daemon.requests.length, 0);
  await using lax = connectDocker({ ...daemon.endpoint, tls: { rejectUnauthorized: false } });
  assert.equal(await lax.inspect("abc"), undefined);
});
