import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builder } from "../../drivers/builder.ts";
import { type RegisterOptions, registerResources } from "../../lib/driver/conveyor/register-resources.ts";
import { refusal } from "../support/conveyor/auth.ts";
import { freePort } from "../support/nats-server.ts";
import { until } from "../support/until.ts";
import { captureLog } from "../support/process-log.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { patience } from "../support/within.ts";

const pki = (name: string): string => fileURLToPath(new URL(`pki/${name}`, import.meta.url));

interface Asked {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

type Answer = readonly [number, string?];

/** What a Conveyor server says of a definition that it does not have. */
const MISSING: Answer = [
  500,
  '{"error":"Failed to find resource definition: resource definition with name x not found"}',
];

/**
 * A server without definitions (unless told what it has) that answers each POST with the next of these, the
 * last of them for ever; or as it is told.
 */
async function server(
  answers: readonly Answer[] | ((asked: Asked) => Answer),
  { port = 0, tls = false, known = () => MISSING }: { port?: number; tls?: boolean; known?: () => Answer } =
    {},
) {
  const asked: Asked[] = [];
  const http = tls
    ? createTlsServer({ cert: await readFile(pki("server.pem")), key: await readFile(pki("server.key")) })
    : createServer();
  http.on("request", async (request, response) => {
    if (request.method === "GET") {
      const [status, text = ""] = known();
      return void response.writeHead(status).end(text);
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString());
    const one = { url: `${request.method} ${request.url}`, headers: request.headers, body };
    const n = asked.push(one);
    const [status, text = ""] = typeof answers === "function"
      ? answers(one)
      : answers[Math.min(n, answers.length) - 1] ?? [500];
    response.writeHead(status, { location: "/elsewhere" }).end(text);
  });
  http.listen(port, "127.0.0.1");
  await once(http, "listening");
  const address = http.address();
  return {
    api: `${tls ? "https" : "http"}://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    asked,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

/** A server that takes requests and answers none. */
async function silent() {
  const http = createServer();
  const asked = once(http, "request");
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const address = http.address();
  return {
    api: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    asked,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

const register = (api: string, options: Partial<RegisterOptions> = {}) =>
  registerResources(builder, {
    api,
    credentials: {},
    signal: patience(),
    retryMs: 1,
    ...options,
  });

test("registerResources applies the definition of each resource type, once", async () => {
  await using http = await server([[201, "{}"]]);
  await register(`${http.api}/`, { resources: ["flutter-builder", "other"] });
  assert.deepEqual(http.asked.map(({ url }) => url), Array(2).fill("POST /resource-definitions/apply"));
  assert.deepEqual(http.asked.map(({ body }) => body.name).toSorted(), ["flutter-builder", "other"]);
  const { headers, body } = http.asked[0] ?? assert.fail();
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers.authorization, undefined);
  assert.equal((body.schema as { type: string }).type, "object");
});

test("registerResources tries again while the server is away, and while it fails or lets nobody in; one line says so", async () => {
  await using log = await captureLog();
  const port = await freePort();
  const registered = register(`http://127.0.0.1:${port}`);
  await log.line(
    /^warning: Cannot register resource type flutter-builder at http:.*, trying again: ./,
  );
  await using http = await server([[503], [401, "missing"], [429], [201]], { port });
  await registered;
  assert.equal(http.asked.length, 4);
  assert.equal(log.lines.filter((line) => line.includes("Cannot register")).length, 1);
  assert.match(log.lines.at(-1) ?? "", /^info: Registered resource type flutter-builder at http:/);
});

test("registerResources lets a server be that knows no definitions, and one that refuses this one for good", async () => {
  await using log = await captureLog();
  await using none = await server([[404]]);
  await register(none.api);
  assert.deepEqual([none.asked.length, log.lines.length], [1, 0]);
  await using refuses = await server([[400, '{"error":"no schema"}']]);
  await register(refuses.api);
  assert.equal(refuses.asked.length, 1);
  assert.match(log.lines.join(), /^error: Cannot register .*it answered 400 .*no schema/);
  await using moved = await server([[307]]);
  await register(moved.api);
  assert.deepEqual(moved.asked.map(({ url }) => url), ["POST /resource-definitions/apply"]);
});

test("registerResources tells nothing of a driver that has no schema", async () => {
  await using http = await server([[201]]);
  const { schema: _, ...plain } = builder;
  await registerResources(plain, { api: http.api, credentials: {}, signal: patience() });
  assert.equal(http.asked.length, 0);
});

test("registerResources ends at once when its signal fires, between tries and while it waits for an answer", async () => {
  const between = new AbortController();
  await using log = await captureLog();
  const trying = register(`http://127.0.0.1:${await freePort()}`, {
    signal: between.signal,
    retryMs: 3_600_000,
  });
  await log.line(/trying again/);
  between.abort();
  await trying;

  await using http = await silent();
  const waiting = new AbortController();
  const asking = register(http.api, { signal: waiting.signal, answerMs: 3_600_000 });
  await http.asked;
  waiting.abort();
  await asking;
});

test("registerResources tries again when no answer comes in time", async () => {
  await using log = await captureLog();
  await using http = await silent();
  const stop = new AbortController();
  const trying = register(http.api, { signal: stop.signal, answerMs: 10 });
  await log.line(/trying again: no answer within 10 ms/);
  await http.asked;
  stop.abort();
  await trying;
});

test("registerResources shows the token of the environment, else the one in the file, read anew for every try", async () => {
  await using folder = await temporaryFolder();
  const tokenFile = join(folder.path, "token");
  await using http = await server(({ headers }) => [headers.authorization === "Bearer first" ? 401 : 201]);
  await register(http.api, { credentials: { token: "from-environment", tokenFile } });
  assert.equal(http.asked[0]?.headers.authorization, "Bearer from-environment");
  await writeFile(tokenFile, "first\n");
  await using log = await captureLog();
  const registered = register(http.api, { credentials: { tokenFile } });
  await log.line(/it answered 401/);
  await writeFile(tokenFile, "second\n");
  await registered;
  assert.equal(http.asked[1]?.headers.authorization, "Bearer first");
  assert.equal(http.asked.at(-1)?.headers.authorization, "Bearer second");
});

test("registerResources neither sends nor shows a token that is none", async () => {
  await using folder = await temporaryFolder();
  const tokenFile = join(folder.path, "token");
  await writeFile(tokenFile, "secret-one\nx-evil: secret-two\n");
  await using log = await captureLog();
  await using http = await server([[201]]);
  const stop = new AbortController();
  const trying = register(http.api, { credentials: { tokenFile }, signal: stop.signal });
  await log.line(/cannot be sent: expected one word of printable ASCII/);
  stop.abort();
  await trying;
  assert.equal(http.asked.length, 0);
  assert.doesNotMatch(log.lines.join(), /secret/);
});

test("registerResources shows a token that our key has signed, to an https server of an authority that we name", async () => {
  await using http = await server([[201]], { tls: true });
  const credentials = { tlsCert: pki("es384.pem"), tlsKey: pki("es384.key"), tlsCa: pki("ca.pem") };
  await register(http.api, { credentials });
  assert.equal(
    refusal(http.asked[0]?.headers.authorization, await readFile(pki("ca.pem"), "utf8")),
    undefined,
  );
});

test("registerResources tells nothing to an https server of an authority that we do not trust", async () => {
  await using log = await captureLog();
  await using http = await server([[201]], { tls: true });
  const stop = new AbortController();
  const trying = register(http.api, {
    credentials: { token: "t", tlsCa: pki("stranger.pem") },
    signal: stop.signal,
  });
  await log.line(/Cannot register/);
  stop.abort();
  await trying;
  assert.equal(http.asked.length, 0);
});

test("registerResources names a schema() that throws, or is no JSON, in the process log and goes on", async () => {
  await using log = await captureLog();
  await using http = await server([[201]]);
  const round: Record<string, unknown> = {};
  round["self"] = round;
  const schemas = [() => round, () => {
    throw new TypeError("no schema today");
  }];
  for (const schema of schemas) {
    const { signal } = new AbortController();
    await registerResources({ ...builder, schema }, { api: http.api, credentials: {}, signal });
  }
  assert.deepEqual(http.asked, []);
  assert.match(
    log.lines.join("\n"),
    /Cannot register the resource types of driver "?builder"?: .*no schema today/,
  );
});

test("registerResources leaves what somebody else has defined, and brings up to date what a driver of ours made", async () => {
  await using log = await captureLog();
  const schema = { type: "object", required: ["repository"] };
  const theirs: Answer = [
    200,
    JSON.stringify({ name: "flutter-builder", description: "Our site's own", schema }),
  ];
  const old: Answer = [200, JSON.stringify({ description: "Made by the driver builder", schema })];
  const same: Answer = [
    200,
    // As a server in Go writes it: its keys sorted, so in another order.
    JSON.stringify({ schema: reversed(builder.schema?.()), description: "Made by the driver git-cloner" }),
  ];
  const asked = async (known: Answer, options: Partial<RegisterOptions> = {}) => {
    await using http = await server([[201]], { known: () => known });
    await register(http.api, options);
    return http.asked.length;
  };
  assert.equal(await asked(theirs), 0);
  assert.match(
    log.lines.join("\n"),
    /Leaves resource type flutter-builder at http:.* as somebody else has defined it/,
  );
  assert.equal(await asked(theirs, { mode: "always" }), 1);
  assert.equal(await asked(theirs, { mode: "never" }), 0);
  assert.equal(await asked(MISSING, { mode: "never" }), 0);
  assert.equal(await asked(old), 1);
  assert.equal(await asked(same), 0);
});

test("registerResources defines the types anew for a server that came back without its data", async () => {
  const ending = new AbortController();
  let has: Answer = MISSING;
  let looks = 0;
  await using http = await server(({ body }) => {
    has = [200, JSON.stringify(body)];
    return [201];
  }, { known: () => (looks++, has) });
  const registering = register(http.api, { againMs: 1, signal: ending.signal });
  await until(() => looks > 5);
  assert.equal(http.asked.length, 1);
  has = MISSING;
  await until(() => http.asked.length === 2);
  ending.abort();
  await registering;
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).reverse().map(([key, inner]) => [key, reversed(inner)]));
}
