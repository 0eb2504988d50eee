import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import { turns } from "../support/until.ts";
import { answer, chunked, CHUNKED_END, frame, UPGRADED } from "./fake-daemon.ts";
import { docked, execWith, type Handle, isUnreachable, text } from "./stage.ts";

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
    socket.write(UPGRADED, async () => {
      await turns();
      socket.resetAndDestroy();
    });
  };
  await docked(execWith(start), async (docker, daemon) => {
    const { output } = await docker.exec("abc", { command: ["x"] });
    await reset.promise;
    await turns();
    await assert.rejects(text(output), isUnreachable(daemon));
  }, { tcp: true });
});

test("exec gives output that came together with the daemon's consent", () =>
  docked(execWith(({ socket }) => socket.end(UPGRADED + frame("hello"))), async (docker) => {
    const exec = await docker.exec("abc", { command: ["x"] });
    assert.equal(await text(exec.output), "hello");
    assert.equal(await exec.exitCode(), 0);
  }));

test("exec runs as the user and in the folder that were asked for, else as the container's own", async () => {
  const asked = async (more: object) => {
    let body: Record<string, unknown> = {};
    await docked(execWith(({ socket }) => socket.end(UPGRADED)), async (docker, daemon) => {
      await text((await docker.exec("abc", { command: ["make", "-j"], ...more })).output);
      body = JSON.parse(daemon.requests[0]?.text.split("\r\n\r\n")[1] ?? "");
    });
    return body;
  };
  const usual = { Cmd: ["make", "-j"], AttachStdout: true, AttachStderr: true, Tty: false };
  assert.deepEqual(await asked({}), { ...usual, Env: [], AttachStdin: false });
  const stdin = (async function* () {})();
  assert.deepEqual(await asked({ user: "0", workdir: "/w", env: { A: "1", B: undefined }, stdin }), {
    ...usual,
    User: "0",
    WorkingDir: "/w",
    Env: ["A=1", "B"],
    AttachStdin: true,
  });
});

test("exec fails where the daemon answers instead of giving its connection", async () => {
  for (const [status, message] of [[409, "Container is paused"], [200, "no upgrade"]] as const) {
    await docked(execWith(({ socket }) => socket.write(answer(status, { message }))), async (docker) => {
      await assert.rejects(docker.exec("abc", { command: ["x"] }), { name: "DockerError", message, status });
    });
  }
});

test("exec has no exit code while the process runs, although its output has ended", () => {
  const state: { Running: boolean; ExitCode: number | null } = { Running: true, ExitCode: null };
  return docked(execWith(({ socket }) => socket.end(UPGRADED), state), async (docker) => {
    const exec = await docker.exec("abc", { command: ["x"] });
    assert.equal(await text(exec.output), "");
    assert.equal(await exec.exitCode(), undefined);
    Object.assign(state, { Running: false, ExitCode: 0 });
    assert.equal(await exec.exitCode(), 0);
  });
});

test("exec tells no exit code of a process whose output was left, since the daemon no longer knows it", () =>
  docked(
    execWith(({ socket }) => socket.write(UPGRADED + frame("hello")), { Running: false, ExitCode: 126 }),
    async (docker) => {
      const left = await docker.exec("abc", { command: ["x"] });
      for await (const _ of left.output) break;
      assert.equal(await left.exitCode(), undefined);
      const detached = await docker.exec("abc", { command: ["x"] });
      detached.detach();
      assert.equal(await detached.exitCode(), undefined);
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
    await turns();
    waiting.detach();
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

test("attach gives what the container prints, and lets go of the connection when it is detached", () =>
  docked(({ socket }) => socket.write(UPGRADED + frame("ready\n")), async (docker, daemon) => {
    const attached = await docker.attach("abc");
    const seen: string[] = [];
    for await (const { data } of attached.output) {
      seen.push(Buffer.from(data).toString());
      attached.detach();
    }
    assert.deepEqual(seen, ["ready\n"]);
    await docker[Symbol.asyncDispose]();
    await daemon.idle();
  }));

test("attach throws Retryable when the daemon dies or sends nonsense, and lets go of the connection", () =>
  docked(({ line, socket }, daemon) => {
    if (line.includes("/odd/")) socket.write(UPGRADED + frame("x", { stream: 7 }));
    else socket.write(UPGRADED + frame("he", { length: 5 }), () => void daemon.die());
  }, async (docker, daemon) => {
    const odd = await docker.attach("odd");
    await assert.rejects(text(odd.output), { name: "Retryable", message: /frame header/ });
    await daemon.idle();
    const dying = await docker.attach("abc");
    await assert.rejects(text(dying.output), Retryable);
  }));

test("attach survives a connection that is reset before anybody has read from it", async () => {
  const reset = Promise.withResolvers<void>();
  const handle: Handle = ({ socket }) => {
    socket.on("close", () => reset.resolve());
    socket.write(UPGRADED, async () => {
      await turns();
      socket.resetAndDestroy();
    });
  };
  await docked(handle, async (docker, daemon) => {
    const { output } = await docker.attach("abc");
    await reset.promise;
    await turns();
    await assert.rejects(text(output), isUnreachable(daemon));
  }, { tcp: true });
});

test("logs gives both streams of the last lines until the container ends", () =>
  docked(({ socket }) => {
    socket.write(chunked(frame("out"), frame("err", { stream: 2 })) + CHUNKED_END);
  }, async (docker, daemon) => {
    const output = await docker.logs("abc", 20);
    const seen = [];
    for await (const { stream, data } of output) seen.push(`${stream} ${Buffer.from(data)}`);
    assert.deepEqual(seen, ["stdout out", "stderr err"]);
    const { searchParams } = new URL(`http://x${daemon.requests[0]?.line.split(" ")[1]}`);
    assert.deepEqual(Object.fromEntries(searchParams), {
      follow: "true",
      stdout: "true",
      stderr: "true",
      tail: "20",
    });
  }));
