import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import { DockerError } from "../../lib/docker/docker.ts";
import { connectDocker } from "../../lib/docker/dockerode.ts";
import { TEST_CERTIFICATE } from "./certificate.ts";
import { answer, chunked, frame, startFakeDaemon, UPGRADED } from "./fake-daemon.ts";
import { docked, endless, execWith, type Handle, isUnreachable, silent, text } from "./stage.ts";

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
