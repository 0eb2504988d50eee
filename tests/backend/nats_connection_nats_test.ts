import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { BrokerAwayError, connectNats, type NatsOptions } from "../../lib/backend/nats/connection.ts";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { makeOperator } from "../support/nats-operator.ts";
import { freePort, startNats } from "../support/nats-server.ts";
import { captureLog } from "../support/process-log.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { again } from "./nats-broker.ts";
import { pull, spec, text } from "./transport-conformance/opened.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const FILES = join(import.meta.dirname ?? "", "nats-tls");
const file = (name: string) => join(FILES, name);

const refuses = (options: NatsOptions, message: RegExp, name = "UnavailableError") =>
  assert.rejects(openNats({ timeoutMs: 1000, ...options }), { name, message });

async function opens(options: NatsOptions): Promise<void> {
  await using transport = await openNats(options);
  await transport.broadcast("live.x", "x");
}

test("openNats says what it tried and that it was refused", async () => {
  const [one, two] = [await freePort(), await freePort()];
  await refuses(
    { servers: [`nats://127.0.0.1:${one}`, `127.0.0.1:${two}`] },
    new RegExp(
      `^Cannot connect to NATS at "nats://127.0.0.1:${one}", "nats://127.0.0.1:${two}": connection refused$`,
    ),
  );
});

test("openNats says that a name cannot be resolved", async () => {
  await refuses(
    { servers: ["nats://broker.invalid:4222"] },
    /"nats:\/\/broker\.invalid:4222": the host's name cannot/,
  );
});

test("openNats refuses an address that is none of NATS, without repeating its password", async () => {
  for (
    const address of [
      "http://127.0.0.1:8222",
      "nats://",
      "nats://:4222",
      "ws://127.0.0.1:1",
      "nats://x:99999",
      "",
    ]
  ) {
    await refuses(
      { servers: [address] },
      /^Invalid NATS address ".*": expected nats:\/\/host:port or tls:\/\/host:port$/,
    );
  }
  await refuses(
    { servers: ["http://me:secret@127.0.0.1:1"] },
    /^Invalid NATS address "http:\/\/…@127\.0\.0\.1:1"/,
  );
  const port = await freePort();
  await refuses(
    { servers: [`nats://me:secret@127.0.0.1:${port}`] },
    new RegExp(`at "nats://127.0.0.1:${port}": `),
  );
});

test("openNats says that a port speaks HTTP, something else, or TLS first", async () => {
  const http = createHttpServer((_request, response) => response.end("hello"));
  await using page = await listening(http);
  await refuses({ servers: [page.address] }, /the port speaks HTTP, not NATS$/);

  await using mail = await listening(createServer((socket) => void socket.end("220 mail.example ESMTP\r\n")));
  await refuses({ servers: [mail.address] }, /what answers there is not a NATS server$/);

  await using tlsFirst = await startNats({ config: tls("server", { handshakeFirst: true }) });
  await refuses(
    { servers: [tlsFirst.url] },
    /the port is open, but no NATS server greets there \(.*--nats-tls-first\)$/,
  );
});

test("openNats takes an address that does not answer, a port that is silent or closes for a broker that may come yet", async () => {
  const away = (servers: readonly string[], message: RegExp) =>
    assert.rejects(openNats({ servers, timeoutMs: 1000 }), (error) => {
      assert.match((error as Error).message, message);
      return error instanceof BrokerAwayError;
    });
  // A connection to a multicast address cannot even begin. Bun reports that as refused.
  const nowhere = "nats://224.0.0.1:4222";
  await away([nowhere], /: (the address does not answer|connection refused)$/);

  await using server = await startNats();
  server.freeze();
  await away([server.url], /: the port is open, but nothing answers there in time$/);

  await using closing = await listening(createServer((socket) => void socket.end()));
  await away([closing.address], /: the port is open, but the connection is closed before a broker greets$/);
});

test("openNats takes a broker that greets and then answers too late for one that is not ready yet", async () => {
  await using slow = await listening(createServer((socket) => {
    const info = { server_id: "x", version: "2.12.0", proto: 1, headers: true, max_payload: 1048576 };
    socket.on("error", () => {});
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
  }));
  await assert.rejects(openNats({ servers: [slow.address], timeoutMs: 200 }), (error) => {
    assert.ok(error instanceof BrokerAwayError);
    assert.match(error.message, /: the broker answers too late$/);
    return true;
  });
});

test("openNats refuses a broker that is too old, naming the version needed", async () => {
  await using old = await listening(createServer((socket) => {
    const info = {
      server_id: "x",
      version: "2.9.25",
      proto: 1,
      headers: true,
      max_payload: 1048576,
      jetstream: true,
    };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on("data", (data) => void (data.includes("PING") && socket.write("PONG\r\n")));
  }));
  await refuses({ servers: [old.address] }, /is version 2\.9\.25: expected 2\.10 or newer$/);
});

test("openNats refuses a broker without JetStream, and an account without it", async () => {
  await using without = await startNats({ jetstream: false });
  await refuses({ servers: [without.url] }, /has no JetStream for us$/);
  await using account = await startNats({
    config: "accounts { A { users: [{ user: a, password: b }] } }\nno_auth_user: a",
  });
  await refuses({ servers: [account.url] }, /has no JetStream for us$/);
});

test("openNats presents a user and a password, from the address or from a file", async () => {
  await using folder = await temporaryFolder();
  const passwordFile = join(folder.path, "password");
  await writeFile(passwordFile, "p@ss word\n");
  await using server = await startNats({ config: 'authorization { user: me, password: "p@ss word" }' });
  await opens({ servers: [server.url], user: "me", passwordFile });
  await opens({ servers: [server.url.replace("//", "//me:p%40ss%20word@")] });
  await refuses({ servers: [server.url] }, /does not accept the credentials/);
  await refuses({ servers: [server.url.replace("//", "//me:wrong@")] }, /does not accept the credentials/);
  await refuses(
    { servers: [server.url], user: "me", passwordFile: join(folder.path, "none") },
    /^Cannot read NATS password ".*none"$/,
    "InputError",
  );
});

test("openNats presents a token from the address", async () => {
  await using server = await startNats({ config: 'authorization { token: "sesame" }' });
  await opens({ servers: [server.url.replace("//", "//sesame@")] });
  await refuses({ servers: [server.url.replace("//", "//wrong@")] }, /does not accept the credentials/);
});

test("openNats presents a user of a credentials file", async () => {
  await using folder = await temporaryFolder();
  const operator = makeOperator();
  const credsFile = join(folder.path, "user.creds");
  await writeFile(credsFile, operator.creds());
  await using server = await startNats({ config: operator.config });
  await opens({ servers: [server.url], credsFile });
  await writeFile(credsFile, makeOperator().creds());
  await refuses({ servers: [server.url], credsFile }, /does not accept the credentials/);
});

test("credentials that are renewed in their file before they expire are used when they do, with a line for each end", async () => {
  await using log = await captureLog();
  await using folder = await temporaryFolder();
  const operator = makeOperator();
  const credsFile = join(folder.path, "user.creds");
  await writeFile(credsFile, operator.creds());
  await using server = await startNats({ config: operator.config });
  const connection = await connectNats({ servers: [server.url], credsFile });
  await ensureStreams(connection);
  await connection.close();
  await writeFile(credsFile, operator.creds(2));
  await using transport = await openNats({ servers: [server.url], credsFile });
  await using puller = pull(transport, spec("a", ["resources.t"]));
  await transport.ensureConsumer(spec("a", ["resources.t"]));
  const next = puller.take();
  await writeFile(credsFile, operator.creds());
  await log.line(/Connected to NATS at .* again/);
  await again(() => transport.publish("resources.t", "after", { id: "after" }));
  assert.equal(text(await next), "after");
  assert.equal(log.lines.filter((line) => /Lost NATS/.test(line)).length, 1, log.lines.join("\n"));
  assert.ok(log.lines.length <= 3, log.lines.join("\n"));
});

test("openNats names a credentials file that cannot be read or holds none", async () => {
  const servers = ["nats://127.0.0.1:1"];
  await refuses(
    { servers, credsFile: "/nowhere/user.creds" },
    /^Cannot read NATS credentials "\/nowhere/,
    "InputError",
  );
  await refuses(
    { servers, credsFile: file("ca.pem") },
    /".*ca\.pem" have no user JWT and seed/,
    "InputError",
  );
});

test("openNats speaks TLS, by name and by address, with a certificate of its own where it is wanted", async () => {
  await using server = await startNats({ config: tls("server", { verify: true }) });
  const own = { ca: file("ca.pem"), cert: file("client.pem"), key: file("client.key") };
  await opens({ servers: [server.url], tls: own });
  await opens({ servers: [`tls://localhost:${server.port}`], tls: own });
  await using oneWay = await startNats({ config: tls("address") });
  await opens({ servers: [oneWay.url], tls: { ca: file("ca.pem") } });
  await refuses(
    { servers: [`nats://localhost:${oneWay.port}`], tls: { ca: file("ca.pem") } },
    /its certificate is for another name/,
  );
});

test("openNats says what is wrong with the broker's certificate", async () => {
  await using server = await startNats({ config: tls("server") });
  await refuses(
    { servers: [server.url] },
    /signed by an unknown authority, by none of the system's authorities/,
  );
  await refuses(
    { servers: [server.url], tls: { ca: file("other.pem") } },
    /signed by an unknown authority, by none of ".*other\.pem"/,
  );
  await using misnamed = await startNats({ config: tls("misnamed") });
  for (const host of ["127.0.0.1", "localhost"]) {
    await refuses(
      { servers: [`nats://${host}:${misnamed.port}`], tls: { ca: file("ca.pem") } },
      /its certificate is for another name/,
    );
  }
  await using plain = await startNats();
  await refuses({ servers: [`tls://127.0.0.1:${plain.port}`] }, /the broker does not offer TLS$/);
});

test("openNats says what the broker has against our certificate", async () => {
  await using server = await startNats({ config: tls("server", { verify: true }) });
  await refuses(
    { servers: [server.url], tls: { ca: file("ca.pem") } },
    /the broker requires a TLS client certificate$/,
  );
  await refuses(
    { servers: [server.url], tls: { ca: file("ca.pem"), cert: file("other.pem"), key: file("other.key") } },
    /the broker does not accept the certificate ".*other\.pem"/,
  );
});

test("openNats names a TLS file that is of no use before it connects", async () => {
  await refuses(
    { servers: ["nats://127.0.0.1:1"], tls: { cert: file("client.pem"), key: file("other.key") } },
    /key ".*other\.key" does not match the certificate ".*client\.pem"/,
    "InputError",
  );
  await refuses(
    { servers: ["nats://127.0.0.1:1"], tls: { ca: file("ca.pem") }, clock: () => Date.UTC(2200, 0, 1) },
    /authority ".*ca\.pem" expired on 2120-01-01/,
    "InputError",
  );
});

test("a password that is renewed in its file is used at the next connection, without a restart", async () => {
  await using log = await captureLog();
  await using folder = await temporaryFolder();
  const passwordFile = join(folder.path, "password");
  await writeFile(passwordFile, "old");
  const config = (password: string) => `authorization { user: me, password: "${password}" }`;
  await using server = await startNats({ config: config("old") });
  const options = { servers: [server.url], user: "me", passwordFile };
  const connection = await connectNats(options);
  await ensureStreams(connection);
  await connection.close();
  await using transport = await openNats(options);
  await using puller = pull(transport, spec("a", ["resources.t"]));
  await transport.ensureConsumer(spec("a", ["resources.t"]));
  const next = puller.take();

  await server.stop();
  await server.start(config("new"));
  await log.line(/NATS says: .*Authorization Violation/i);
  await writeFile(passwordFile, "new");
  await again(() => transport.publish("resources.t", "after", { id: "after" }));
  assert.equal(text(await next), "after");
});

function tls(name: string, { verify = false, handshakeFirst = false } = {}): string {
  const paths = `cert_file: "${file(`${name}.pem`)}", key_file: "${file(`${name}.key`)}"`;
  return `tls { ${paths}, ca_file: "${
    file("ca.pem")
  }", verify: ${verify}, handshake_first: ${handshakeFirst} }`;
}

/** The server on a port of loopback, with all its connections cut at the end. */
async function listening(server: Server): Promise<AsyncDisposable & { readonly address: string }> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port");
  return {
    address: `nats://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
