import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { test } from "node:test";
import { UnavailableError } from "../../lib/base/errors.ts";
import { listen } from "../../lib/engine/http/listen.ts";
import { lineStream } from "../../lib/engine/http/line-stream.ts";
import { within } from "../backend/transport-conformance/opened.ts";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import { quiet } from "../support/until.ts";

const HERE = { host: "127.0.0.1", port: 0 };

test("listen serves requests with their method, path, headers and body", async () => {
  await using server = await listen(async (request) => {
    const { pathname, search } = new URL(request.url);
    const text = [request.method, pathname, search, request.headers.get("x-test"), await request.text()];
    return new Response(text.join("|"), { status: 201, headers: { "x-answer": "yes" } });
  }, HERE);
  const response = await fetch(`${server.url}/a%20b/c?d=e`, {
    method: "POST",
    headers: { "x-test": "value" },
    body: "the body",
  });
  assert.deepEqual([response.status, response.headers.get("x-answer")], [201, "yes"]);
  assert.equal(await response.text(), "POST|/a%20b/c|?d=e|value|the body");
});

test("listen serves TLS with a certificate", async () => {
  await using server = await listen(() => Promise.resolve(new Response("secret")), {
    ...HERE,
    tls: TEST_CERTIFICATE,
  });
  assert.match(server.url, /^https:/);
  const asked = httpsRequest(server.url, { ca: TEST_CERTIFICATE.cert, agent: false }).end();
  const [answer] = await once(asked, "response") as [IncomingMessage];
  assert.equal(Buffer.concat(await Array.fromAsync(answer)).toString(), "secret");
});

test("listen names the address that is taken", async () => {
  const handle = () => Promise.resolve(new Response());
  await using server = await listen(handle, HERE);
  await assert.rejects(listen(handle, { ...HERE, port: server.port }), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.match(error.message, new RegExp(`Cannot listen on "127.0.0.1:${server.port}"`));
    return true;
  });
});

test("listen outlives what is no HTTP, or no request that can be spoken of", async () => {
  await using server = await listen(() => Promise.resolve(new Response("fine")), HERE);
  const texts = [
    "\x00\x01\x02\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b c\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
  ];
  for (const text of texts) {
    const socket = connect(server.port, "127.0.0.1").on("error", () => {});
    await once(socket, "connect");
    socket.end(text);
    socket.resume();
    await within(once(socket, "close"), `the end of ${JSON.stringify(text)}`);
  }
  assert.equal(await (await fetch(server.url)).text(), "fine");
});

/** Sends the head of a request with a body of five bytes, and the first two of them. */
function slowRequest(port: number) {
  const asked = request({
    host: "127.0.0.1",
    port,
    method: "POST",
    agent: false,
    headers: { "content-length": 5 },
  });
  const answered = once(asked, "response") as Promise<[IncomingMessage]>;
  asked.write("ab");
  const answer = async () => {
    const [message] = await within(answered, "the answer");
    return [message.statusCode, Buffer.concat(await Array.fromAsync(message)).toString()];
  };
  return { asked, answer };
}

test("listen refuses a request before its body has come", async () => {
  await using server = await listen(() => Promise.resolve(Response.json("no", { status: 401 })), HERE);
  const { asked, answer } = slowRequest(server.port);
  assert.deepEqual(await answer(), [401, '"no"']);
  asked.on("error", () => {}).destroy();
});

test("listen hands on a small body that comes slowly as a whole", async () => {
  const begun = Promise.withResolvers<void>();
  await using server = await listen(async (request) => {
    begun.resolve();
    return new Response(await request.text());
  }, HERE);
  const { asked, answer } = slowRequest(server.port);
  await within(begun.promise, "the request to be handled");
  asked.end("cde");
  assert.deepEqual(await answer(), [200, "abcde"]);
});

test("listen reads a body no faster than its client takes it, and lets go of it when the client is gone", async () => {
  const CHUNK = new Uint8Array(64 * 1024);
  const seen = { chunks: 0 };
  const cancelled = Promise.withResolvers<void>();
  await using server = await listen(() =>
    Promise.resolve(
      new Response(
        new ReadableStream({
          pull(controller) {
            seen.chunks++;
            controller.enqueue(CHUNK);
          },
          cancel: () => cancelled.resolve(),
        }),
      ),
    ), HERE);
  const asked = request(server.url, { agent: false }).end();
  const [answer] = await once(asked, "response") as [IncomingMessage];
  answer.pause();
  await quiet(() => seen.chunks);
  // What lies in sockets and buffers on the way; an endless body would go on.
  assert.ok(seen.chunks * CHUNK.length < 64 * 1024 * 1024, `${seen.chunks} chunks`);
  const before = seen.chunks;
  let taken = 0;
  for await (const chunk of answer) {
    taken += chunk.length;
    if (taken > (before + 10) * CHUNK.length) break;
  }
  assert.ok(seen.chunks > before);
  asked.destroy();
  await within(cancelled.promise, "the end of the body");
});

test("listen ends open answers when it is disposed", async () => {
  const cancelled = Promise.withResolvers<void>();
  const body = () => new ReadableStream({ cancel: () => cancelled.resolve() });
  const server = await listen(() => Promise.resolve(new Response(body())), HERE);
  const asked = request(server.url, { agent: false }).on("error", () => {}).end();
  const [answer] = await once(asked, "response") as [IncomingMessage];
  const idle = connect(server.port, "127.0.0.1").on("error", () => {});
  await once(idle, "connect");
  const closed = new Promise<void>((resolve) => answer.on("error", () => {}).once("close", resolve).resume());
  await within(server[Symbol.asyncDispose](), "the end of the server");
  await within(Promise.all([closed, cancelled.promise]), "the end of the answer");
  await server[Symbol.asyncDispose]();
});

test("lineStream packs lines that come fast, takes no more than its reader does, and says what failed", async () => {
  const seen = { lines: 0 };
  async function* lines() {
    for (let i = 0; i < 100_000; i++) {
      seen.lines++;
      yield `${"x".repeat(99)}\n`;
    }
    await Promise.resolve();
    throw new Error("broken");
  }
  const reader = lineStream(lines(), { heartbeatMs: 60_000, onCancel: () => {} }).getReader();
  await quiet(() => seen.lines);
  assert.ok(seen.lines * 100 <= 128 * 1024, `${seen.lines} lines`);
  let pieces = 0;
  let chars = 0;
  const read = async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      pieces++;
      chars += value.length;
    }
  };
  await assert.rejects(read(), /broken/);
  assert.equal(chars, 100_000 * 100);
  assert.ok(pieces < 1000, `${pieces} pieces`);
});
