import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, request as forward, type Server } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { flutterCi, startFlutterCi, temporaryFolder } from "./start-program.ts";

const RUN = "11111111-2222-4333-8444-555555555555";

/** A server on loopback that keeps all that it is sent, and answers as it likes. */
async function stranger(
  answer: (method: string, path: string) => { status: number; text: string } | { to: string },
): Promise<{ url: string; heard: () => string } & AsyncDisposable> {
  const heard: string[] = [];
  const server: Server = createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    incoming.on("data", (part) => parts.push(part)).on("end", () => {
      const { method = "", url = "", headers } = incoming;
      const body = Buffer.concat(parts);
      heard.push(`${method} ${url} ${JSON.stringify(headers)}\n${body.toString("latin1")}`);
      const how = answer(method, url);
      if (!("to" in how)) return void outgoing.writeHead(how.status).end(how.text);
      forward(`${how.to}${url}`, { method, headers }, (theirs) => {
        outgoing.writeHead(theirs.statusCode ?? 500, theirs.headers);
        theirs.pipe(outgoing);
      }).end(body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    heard: () => heard.join("\n"),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const SECRETS = { KEY: "hunter2-hunter2-hunter2" };
const submit = (api: string, ...words: string[]) =>
  flutterCi(
    ["submit", "--api", api, "--secret", "KEY", ...words, "-c", "make", "https://repository.invalid/app.git"],
    { env: SECRETS },
  );

test("submit gives a stranger at the control plane's address neither token nor secrets, and believes nothing of it", async () => {
  await using folder = await temporaryFolder();
  const token = join(folder.path, "token");
  await writeFile(token, "t0ken-t0ken-t0ken\n");
  const end = JSON.stringify({
    type: "end",
    run: RUN,
    outcome: "succeeded",
    message: "",
    seconds: 1,
    lines: 0,
    artifacts: [],
  });
  await using server = await stranger((method) =>
    method === "POST"
      ? { status: 201, text: JSON.stringify({ run: RUN }) }
      : { status: 200, text: `${end}\n` }
  );
  const { code, stdout, stderr } = await submit(server.url, "--token-file", token);
  assert.deepEqual([code, stdout], [3, ""], stderr);
  assert.match(
    stderr,
    /^error: The control plane at ".*" does not accept the token, or something else answers there\n/,
  );
  assert.match(server.heard(), /^POST \/runs .*Sealed \d+\./);
  assert.doesNotMatch(server.heard(), /hunter2|t0ken|repository\.invalid/);
});

test("submit reaches its control plane through somebody who passes requests on, and shows them nothing", async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, "data");
  await using up = startFlutterCi(["up", "--data", data, "--drivers", "none", "--listen", "127.0.0.1:0"]);
  await up.said("Serves ");
  const url = /Serves (\S+),/.exec(up.output())?.[1] ?? assert.fail();
  await using relay = await stranger(() => ({ to: url }));
  const { code, stdout, stderr } = await submit(relay.url, "--data", data, "--detach");
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^[0-9a-f-]{36}\n$/);
  const token = (await readFile(join(data, "token"), "utf8")).trim();
  assert.equal(relay.heard().includes(token), false);
  assert.doesNotMatch(relay.heard(), /hunter2|repository\.invalid/);

  const other = join(folder.path, "other-token");
  await writeFile(other, "of-another-control-plane\n");
  const wrong = await submit(url, "--token-file", other);
  assert.equal(wrong.code, 3);
  assert.match(wrong.stderr, /does not accept the token/);
  up.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
});

test("submit sends a signed token, which the control plane does not know, over https only", async () => {
  await using folder = await temporaryFolder();
  const token = join(folder.path, "token");
  await writeFile(token, "eyJhbGciOiJFUzI1NiJ9.eyJpYXQiOjF9.c2lnbmF0dXJl\n");
  const { code, stderr } = await submit("http://127.0.0.1:1", "--token-file", token);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /cannot prove that it knows a signed token: expected an https URL for it\n$/);
});
