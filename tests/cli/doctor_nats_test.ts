import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { openBucket } from "../../lib/backend/nats/blobs.ts";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { planeFindings } from "../../lib/cli/doctor/plane-findings.ts";
import { brokerFindings, jetStreamFindings } from "../../lib/cli/doctor/broker-findings.ts";
import type { CheckOptions, Finding } from "../../lib/cli/doctor/finding.ts";
import type { NatsConnection } from "@nats-io/transport-node";
import { exposureOf } from "../../lib/backend/nats/inspect.ts";
import { controlPlaneNeeds, deniedOf, driverNeeds, isAllowed } from "../../lib/backend/nats/permissions.ts";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import { startConveyor } from "../support/conveyor-server.ts";
import { broker, until } from "../backend/nats-broker.ts";
import { startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const { test } = needing("broker");

const PASSWORD = "pw";
const look = (options: Partial<CheckOptions>): Promise<Finding[]> =>
  brokerFindings(options as CheckOptions, {});
const of = (findings: readonly Finding[], what: string): Finding =>
  findings.find((finding) => finding.what === what) ?? assert.fail(`Nothing about ${what}`);

/** The configuration of docs/, with one password for all, and `more` users. */
async function accounts(more: (users: string) => string = () => ""): Promise<string> {
  const conf = await readFile(new URL("../../docs/nats-server.conf", import.meta.url), "utf8");
  const config = conf.replace(/\$[A-Z_]+_PASSWORD/g, `"${PASSWORD}"`).replace(/^listen:.*$/m, "")
    .replace(/jetstream \{[^}]*\}/, "");
  return config.replace("users: [", (start) => `${start}\n${more(config)}`);
}

/** A user of the configuration with another name and without one of its permissions. */
function lacking(config: string, user: string, { name, subject }: { name: string; subject: string }): string {
  const [block = ""] = new RegExp(`\\{\\s*user: ${user}\\n[\\s\\S]*?\\n      \\}`).exec(config) ?? [];
  const changed = block.replace(`user: ${user}`, `user: ${name}`).replace(`"${subject}"`, '"none"');
  assert.ok(changed.includes('"none"'), `${user} has no ${subject}`);
  return changed;
}

test("doctor finds what a login may not do, before a run fails of it, and does nothing to what is stored", async () => {
  await using folder = await temporaryFolder();
  const natsPasswordFile = join(folder.path, "password");
  await writeFile(natsPasswordFile, PASSWORD);
  const cases = [
    { user: "builder", name: "no-logs", subject: "logs.*", says: "publish on logs.doctor" },
    { user: "builder", name: "no-room", subject: "room.builder", says: "listen on room.builder" },
    {
      user: "builder",
      name: "no-purge",
      subject: "$JS.API.STREAM.PURGE.OBJ_artifacts",
      says: "publish on $JS.API.STREAM.PURGE.OBJ_artifacts",
    },
    {
      user: "builder",
      name: "no-host",
      subject: "$JS.API.CONSUMER.MSG.NEXT.messages.builder_at_ci-1",
      says: "publish on $JS.API.CONSUMER.MSG.NEXT.messages.builder_at_ci-1",
    },
    {
      user: "builder",
      name: "no-inbox",
      subject: "_INBOX.conveyor-builder.>",
      says: "listen on _INBOX.conveyor-builder.doctor",
    },
    { user: "control-plane", name: "no-claims", subject: "runs.*.claim.*", says: "listen on runs.*.claim.*" },
  ];
  await using server = await startNats({
    config: await accounts((config) => cases.map((one) => lacking(config, one.user, one)).join("\n")),
  });
  const connection = await connectNats({
    servers: [`nats://control-plane:${PASSWORD}@127.0.0.1:${server.port}`],
    name: "conveyor-up",
  });
  try {
    await ensureStreams(connection, { newOwner: () => "the-owner" });
    const manager = await jetstreamManager(connection);
    await openBucket(connection, manager);
    const streams = ["messages", "pipeline-engine", "logs-engine", "dead", "OBJ_artifacts"];
    await jetstream(connection).publish("logs.a", "a line");
    await jetstream(connection).publish("$O.artifacts.M.a", "an artifact");
    await manager.consumers.add("messages", { durable_name: "builder", filter_subject: "drivers.builder.>" });
    await jetstream(connection).publish("drivers.builder.resources.t", "an event");
    const counts = async () =>
      await Promise.all(streams.map(async (name) => (await manager.streams.info(name)).state));
    const before = await counts();

    const login = (natsUser: string, as?: string) =>
      look({ nats: [server.url], natsUser, natsPasswordFile, hostId: "ci-1", ...as !== undefined && { as } });
    for (const driver of ["container-start", "git-cloner", "builder", "container-stop"]) {
      const found = of(await login(driver, driver), "permissions");
      assert.equal(found.message, `This login may do what ${driver} needs`);
    }
    assert.equal(of(await login("control-plane"), "permissions").message, "This login may do what up needs");
    for (const { user, name, says } of cases) {
      const found = of(await login(name, user === "builder" ? user : "up"), "permissions");
      assert.equal(found.level, "fail");
      assert.ok(found.message.endsWith(`needs: it may not ${says}`), found.message);
      assert.match(found.remedy ?? "", /docs\/operations\.md/);
    }
    const unknown = of(await login("no-logs"), "permissions");
    assert.match(
      unknown.message,
      /^This login may not do all that builder needs: it may not publish on logs/,
    );
    assert.deepEqual(await counts(), before);

    const seen = await login("control-plane");
    assert.match(of(seen, "broker").message, /answers: nats-server \d+\.\d+\.\d+/);
    assert.match(
      of(seen, "streams").message,
      /of the control plane of the installation the-owner: messages 1/,
    );
    assert.match(of(seen, "JetStream").message, /^It works, .* used/);
    const waits = of(seen, "consumers");
    assert.equal(
      waits.message,
      "builder: 1 message waits, 0 in hand, and no instance of builder asks for them",
    );
    assert.equal(waits.level, "warn");
    assert.equal(of(seen, "exposure").level, "ok");
    // A driver may only look at what is its own.
    const own = await login("builder", "builder");
    assert.match(of(own, "streams").message, /: messages 1 \(.*\), dead 0 \(.*\), OBJ_artifacts 1 \(/);
    assert.equal(of(own, "consumers").message, waits.message);
  } finally {
    await connection.close();
  }
});

test("doctor names streams that are nearly full, dead letters, and a broker without streams or JetStream", async () => {
  await using full = await broker({ maxFile: "24M" });
  const { manager, connection, server } = full;
  await manager.consumers.add("pipeline-engine", { durable_name: "pipeline-engine", ack_policy: "explicit" });
  const half = new Uint8Array(900_000);
  for (let i = 0; i < 3; i++) {
    await jetstream(connection).publish("pipelines.driver.result", half).catch(() => {});
  }
  const { config, state } = await manager.streams.info("pipeline-engine");
  const rest = config.max_bytes - state.bytes;
  if (rest > 20_000) {
    await jetstream(connection).publish("pipelines.driver.result", new Uint8Array(rest - 10_000));
  }
  await jetstream(connection).publish("dead.messages.x", "no JSON");
  const findings = await look({ nats: [server.url] });
  const nearly = findings.filter(({ message }) => message.includes("is nearly full"));
  assert.match(nearly[0]?.message ?? "", /^pipeline-engine is nearly full: .* of /);
  assert.equal(nearly.length, 1);
  assert.match(of(findings, "consumers").message, /no control plane asks for them$/);
  assert.match(of(findings, "dead letters").message, /^1 message could not be understood/);

  for (const name of ["messages", "pipeline-engine", "logs-engine"]) await manager.streams.delete(name);
  const none = of(await look({ nats: [server.url] }), "streams");
  assert.deepEqual([none.level, none.message], [
    "fail",
    'There is no stream "messages": no control plane has worked here',
  ]);
  await using bare = await startNats({ jetstream: false });
  const without = of(await look({ nats: [bare.url] }), "JetStream");
  assert.equal(without.level, "fail");
  assert.match(without.message, /^It cannot be used: jetstream is not enabled/);
  assert.match(without.remedy ?? "", /-js/);
});

test("doctor needs no token beside a Conveyor server without authentication, and fails beside one with it", async () => {
  await using folder = await temporaryFolder();
  const { path: data } = folder;
  const lookAt = (api: string) => planeFindings({ api, data } as CheckOptions, {});
  await using open = await startConveyor();
  const message =
    `${open.api} answers as a Conveyor server without authentication: drivers need no token there`;
  assert.deepEqual(await lookAt(open.api), [{ level: "ok", what: "control plane", message }]);
  // That of a control plane of ours that was here once.
  await writeFile(join(data, "token"), "t0ken", { mode: 0o600 });
  assert.deepEqual((await lookAt(open.api)).map(({ message }) => message), [message]);
  await using closed = await startConveyor({ ca: TEST_CERTIFICATE.cert });
  assert.equal(of(await lookAt(closed.api), "control plane").level, "fail");
});

test("doctor says where a build's container finds a broker that asks for no password", async () => {
  const here = Object.values(networkInterfaces()).flat().find((one) =>
    one?.family === "IPv4" && !one.internal
  );
  assert.ok(here, "This machine has an address beside loopback");
  for (const [config, level] of [["", "warn"], [`authorization { token: "${PASSWORD}" }`, "ok"]] as const) {
    await using folder = await temporaryFolder();
    const natsTokenFile = join(folder.path, "token");
    await writeFile(natsTokenFile, PASSWORD);
    await using open = await startNats({ config: `host: "0.0.0.0"\n${config}` });
    const found = of(await look({ nats: [open.url], ...config !== "" && { natsTokenFile } }), "exposure");
    assert.equal(found.level, level, found.message);
    if (level === "warn") assert.ok(found.message.includes(`nats://${here.address}:${open.port}`));
  }
});

test("what doctor tries out is refused by JetStream before it looks at a stream", async () => {
  await using given = await broker();
  const { connection, manager, server } = given;
  await openBucket(connection, manager);
  await jetstream(connection).publish("logs.a", "a line");
  const asked: { subject: string; response: string }[] = [];
  connection.subscribe("$JS.EVENT.ADVISORY.API", {
    callback: (_, message) => void asked.push(message.json()),
  });
  await connection.flush();
  await using other = opened(await connectNats({ servers: [server.url] }));
  const needs = [
    controlPlaneNeeds(),
    driverNeeds("builder", { host: "ci-1", storesArtifacts: true }),
  ];
  for (const one of needs) assert.ok(isAllowed(await deniedOf(other.connection, one)));
  const changing = /\.(PURGE|CREATE|UPDATE)\./;
  const expected = needs.flatMap(({ publish }) => publish).filter((subject) => changing.test(subject));
  const seen = () => asked.filter(({ subject }) => changing.test(subject));
  await until(() => seen().length === expected.length, "the broker tells of all requests");
  assert.deepEqual(seen().map(({ subject }) => subject).toSorted(), expected.toSorted());
  for (const { subject, response } of seen()) {
    assert.match(response, /"err_code":10025,/, `${subject} is refused as no JSON of a request`);
  }
  assert.equal((await manager.streams.info("logs-engine")).state.messages, 1);
});

/** Closes a connection at the end. */
const opened = (connection: NatsConnection) => ({
  connection,
  [Symbol.asyncDispose]: () => connection.close(),
});

test("doctor names a consumer that it cannot look at", async () => {
  const deny = '["$JS.API.CONSUMER.LIST.>", "$JS.API.CONSUMER.INFO.pipeline-engine.>"]';
  const users =
    `{ user: all, password: x }, { user: some, password: x, permissions: { publish: { deny: ${deny} } } }`;
  await using server = await startNats({ config: `authorization { users: [${users}] }` });
  const at = (user: string) => `nats://${user}:x@127.0.0.1:${server.port}`;
  await using all = opened(await connectNats({ servers: [at("all")] }));
  await ensureStreams(all.connection);
  const findings = await look({ nats: [at("some")], as: "up" });
  assert.equal(of(findings, "permissions").level, "ok");
  const found = of(findings, "consumers");
  assert.equal(found.level, "warn");
  assert.match(found.message, /^pipeline-engine of the stream "pipeline-engine" cannot be looked at: ./);
});

test("doctor tells why it cannot look at a stream", async () => {
  const deny = '["$JS.API.STREAM.INFO.messages"]';
  const users = `{ user: some, password: x, permissions: { publish: { deny: ${deny} } } }`;
  await using server = await startNats({ config: `authorization { users: [${users}] }` });
  const forbidden = of(await look({ nats: [`nats://some:x@127.0.0.1:${server.port}`] }), "streams");
  assert.equal(
    forbidden.message,
    'The stream "messages" cannot be looked at: This login may not publish on "$JS.API.STREAM.INFO.messages"',
  );
  assert.match(forbidden.remedy ?? "", /docs\/operations\.md/);
  const stream = { messages: 0, bytes: 0, maxBytes: undefined };
  const report = { noJetStream: undefined, storage: undefined, owner: "x", consumers: [], unread: [] };
  const late = {
    ...stream,
    name: "logs-engine",
    state: "unread",
    why: "the broker answers too late",
  } as const;
  const there = { ...stream, name: "messages", state: "there", why: undefined } as const;
  const found = jetStreamFindings({
    ...report,
    version: "",
    denied: new Map(),
    apartMs: undefined,
    streams: [there, late, { ...late, name: "dead", state: "hidden" }],
  });
  assert.deepEqual(found.filter(({ level }) => level !== "ok").map(({ message }) => message), [
    'The stream "logs-engine" cannot be looked at: the broker answers too late',
  ]);
});

test("doctor does not take for closed what it could not try: only a refused login or connection is", async () => {
  const here = "127.0.0.1";
  await using server = await startNats({ config: `authorization { token: "${PASSWORD}" }` });
  const programs = [{ name: "up", needs: controlPlaneNeeds() }];
  const exposure = (port: number) => exposureOf(`nats://${here}:${port}`, { timeoutMs: 1000 }, programs);
  assert.equal(await exposure(server.port), "closed");
  const other = createServer((socket) => socket.end("220 mail\r\n")).listen(0, here);
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  try {
    assert.match(JSON.stringify(await exposure(port)), /"untried":"Cannot connect to NATS at/);
  } finally {
    other.close();
    await once(other, "close");
  }
  assert.equal(await exposure(port), "closed");
});
