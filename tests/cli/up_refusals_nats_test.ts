import assert from "node:assert/strict";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { authorization } from "../../lib/driver/conveyor/authorization.ts";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import { startNats } from "../support/nats-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { flutterCi, startFlutterCi } from "./start-program.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const PKI = join(import.meta.dirname ?? "", "../conveyor/pki");
const OLD = join(import.meta.dirname ?? "", "../engine/token-pki");
const pki = (file: string): string => join(PKI, file);

const ALONE = ["--drivers", "none", "--listen", "127.0.0.1:0"];

test("up refuses a broker that a Conveyor server owns, and changes nothing of it", async () => {
  await using server = await startNats();
  await using folder = await temporaryFolder();
  const connection = await connectNats({ servers: [server.url] });
  try {
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: "messages", subjects: ["events.>", "resources.>", "drivers.>"] });
    const { code, stdout, stderr } = await flutterCi([
      "up",
      "--nats",
      server.url,
      "--data",
      folder.path,
      ...ALONE,
    ]);
    assert.deepEqual({ code, stdout }, { code: 3, stdout: "" }, stderr);
    assert.match(stderr, /^error: Stream "messages" of this broker belongs to somebody else/m);
    assert.match(stderr, /A Conveyor CI server runs here/);
    assert.deepEqual(await Array.fromAsync(manager.streams.names()), ["messages"]);
  } finally {
    await connection.close();
  }
});

test("up refuses a broker that belongs to another data folder, and says which way is out", async () => {
  await using server = await startNats();
  await using folder = await temporaryFolder();
  const connection = await connectNats({ servers: [server.url] });
  await ensureStreams(connection).finally(() => connection.close());
  const { code, stderr } = await flutterCi(["up", "--nats", server.url, "--data", folder.path, ...ALONE]);
  assert.equal(code, 3, stderr);
  assert.match(stderr, /^error: The broker at ".*" belongs to a control plane with another data folder/m);
  assert.match(stderr, /--data/);
});

test("up says what it cannot reach, and what it is not given right, before it serves anything", async () => {
  await using folder = await temporaryFolder();
  const cases = [
    [
      ["--nats", "nats://127.0.0.1:1", "--wait", "0"],
      3,
      /^error: Cannot connect to NATS at "nats:\/\/127\.0\.0\.1:1": /m,
    ],
    [["--listen", "nowhere"], 2, /^error: --listen: Invalid address "nowhere"/],
    [
      ["--drivers", "bilder"],
      2,
      /^error: --drivers: Unknown driver "bilder": expected all, none, or some of /,
    ],
    [["--cors", "https://x/path"], 2, /^error: --cors: Invalid origin "https:\/\/x\/path"/],
    [["--replicas", "2"], 2, /^error: --replicas: Invalid value "2": expected 1 or 3/],
    [["--tls-cert", "/nonexistent"], 2, /^error: The flag --tls-cert was given without --tls-key/],
    [["--tls-ca", "/nonexistent"], 2, /^error: --tls-ca: Cannot read/],
    [["--tls-ca", pki("es256.key")], 2, /^error: TLS authority ".*es256\.key" is not a certificate/],
    [["--tls-ca", join(OLD, "old-ca.pem")], 2, /^error: TLS authority ".*old-ca\.pem" expired on 2021-01-01/],
    [
      ["--tls-cert", pki("es256.pem"), "--tls-key", pki("es384.key")],
      2,
      /^error: TLS key ".*es384\.key" does not match the certificate ".*es256\.pem"/,
    ],
    [["--token-file", "/nonexistent"], 2, /^error: --token-file: Cannot read/],
    [["--drivers", "all", "--docker", "unix:///nonexistent.sock"], 3, /nonexistent\.sock/],
  ] as const;
  for (const [words, expected, message] of cases) {
    const { code, stdout, stderr } = await flutterCi(["up", "--data", folder.path, ...ALONE, ...words]);
    assert.deepEqual({ code, stdout }, { code: expected, stdout: "" }, `${words}\n${stderr}`);
    assert.match(stderr, message);
  }
});

test("up keeps its token to its user, makes it once, and takes another one if told so", async () => {
  await using folder = await temporaryFolder();
  await using programs = new AsyncDisposableStack();
  const data = join(folder.path, "data");
  const start = async (...words: string[]) => {
    const up = programs.use(startFlutterCi(["up", "--data", data, ...ALONE, ...words]));
    await up.said("Serves ");
    const url = /Serves (\S+),/.exec(up.output())?.[1] ?? "";
    return { up, url };
  };
  const statusOf = async (url: string, token: string) =>
    (await fetch(`${url}/x`, { headers: { authorization: `Bearer ${token}` } })).status;

  const first = await start();
  const token = (await readFile(join(data, "token"), "utf8")).trim();
  assert.equal((await stat(join(data, "token"))).mode & 0o777, 0o600);
  assert.ok(token.length >= 40);
  assert.deepEqual([await statusOf(first.url, token), await statusOf(first.url, `${token}x`)], [404, 401]);
  first.up.kill("SIGTERM");
  assert.equal((await first.up.ended).code, 0);

  const own = join(folder.path, "own-token");
  await writeFile(own, "my-own\n");
  const second = await start("--token-file", own);
  assert.deepEqual([await statusOf(second.url, "my-own"), await statusOf(second.url, token)], [404, 401]);
  second.up.kill("SIGINT");
  assert.equal((await second.up.ended).code, 0);
  assert.equal((await readFile(join(data, "token"), "utf8")).trim(), token);
});

test("up speaks https with a certificate, which submit trusts if told so", async () => {
  await using folder = await temporaryFolder();
  const [cert, key] = [join(folder.path, "cert.pem"), join(folder.path, "key.pem")];
  await writeFile(cert, TEST_CERTIFICATE.cert);
  await writeFile(key, TEST_CERTIFICATE.key);
  const data = join(folder.path, "data");
  const wrong = await flutterCi(["up", "--data", data, ...ALONE, "--tls-cert", key, "--tls-key", cert]);
  assert.equal(wrong.code, 2, wrong.stderr);
  assert.match(wrong.stderr, /^error: .*key\.pem/);
  await using up = startFlutterCi(["up", "--data", data, ...ALONE, "--tls-cert", cert, "--tls-key", key]);
  await up.said("Serves ");
  const url = /Serves (https:\S+),/.exec(up.output())?.[1] ?? "";
  const submit = ["submit", "--api", url, "--data", data, "--detach", "https://repository.invalid/app.git"];
  const trusting = await flutterCi([...submit, "--tls-ca", cert]);
  assert.equal(trusting.code, 0, trusting.stderr);
  assert.match(trusting.stdout, /^[0-9a-f-]{36}\n$/);
  const doubting = await flutterCi(submit);
  assert.deepEqual([doubting.code, doubting.stdout], [3, ""], doubting.stderr);
  assert.match(doubting.stderr, /^error: Cannot reach the control plane at "https:/);
  up.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
});

test("up lets in who signs a token with a certificate of its authority, as Conveyor's drivers do, and nobody else so", async () => {
  await using folder = await temporaryFolder();
  await using up = startFlutterCi([
    "up",
    "--data",
    join(folder.path, "data"),
    ...ALONE,
    "--tls-ca",
    pki("ca.pem"),
  ]);
  await up.said("Serves ");
  const url = /Serves (\S+),/.exec(up.output())?.[1] ?? "";
  const statusOf = async (name: string) => {
    const credentials = { tlsCert: pki(`${name}.pem`), tlsKey: pki(`${name}.key`) };
    return (await fetch(`${url}/x`, { headers: await authorization(credentials) })).status;
  };
  for (const name of ["rs256", "es256", "es384", "es512"]) assert.equal(await statusOf(name), 404, name);
  assert.equal(await statusOf("stranger"), 401);
  await up.said("Refused a signed token: Its certificate is of no authority of ours");
  up.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
});

test("up refuses a data folder that another one uses", async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, "data");
  await mkdir(data, { mode: 0o700 });
  await using up = startFlutterCi(["up", "--data", data, ...ALONE]);
  await up.said("Serves ");
  const { code, stderr } = await flutterCi(["up", "--data", data, ...ALONE]);
  assert.equal(code, 3, stderr);
  assert.match(stderr, /as "up": another process does so already/);
  up.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
});
