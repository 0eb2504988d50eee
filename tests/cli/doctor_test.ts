import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { dataFindings, runcFindings } from "../../lib/cli/doctor/host-findings.ts";
import { planeFindings } from "../../lib/cli/doctor/plane-findings.ts";
import { listen } from "../../lib/engine/http/listen.ts";
import { openApi, TOKEN } from "../engine/support/api.ts";
import { openWorld } from "../engine/support/world.ts";
import { runOf } from "../backend/store-conformance/opened.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

test("doctor tells of a data folder's room and inodes, and of messages that nobody could understand", async () => {
  await using folder = await temporaryFolder();
  const look = () => dataFindings({ data: folder.path } as Parameters<typeof dataFindings>[0], {});
  {
    await using embedded = await openEmbedded({ folder: folder.path, scope: "up" });
    const fresh = await look();
    assert.match(fresh[0]?.message ?? "", /^".*", \d.* free$/);
    assert.match(fresh.at(-1)?.message ?? "", /has no runs yet$/);
    const id = "fbab31f6-a278-4a8f-96be-ac49b007ca65";
    await embedded.store.runs.put(id, runOf(id), 0);
    const { transport } = embedded;
    const spec = {
      stream: "messages",
      name: "d",
      filters: ["drivers.d.resources.t"],
      ackWaitMs: 1000,
    } as const;
    await transport.ensureConsumer(spec);
    await transport.publish("drivers.d.resources.t", "no JSON");
    for await (const delivery of transport.consume(spec, { signal: new AbortController().signal })) {
      await delivery.term("cannot be read");
      break;
    }
  }
  const findings = await look();
  assert.deepEqual(findings.map(({ level }) => level).toSorted(), ["ok", "warn"]);
  const dead = findings.find(({ level }) => level === "warn");
  assert.match(dead?.message ?? "", /^1 message could not be understood, and lie in the table dead_letters/);
  assert.ok(dead?.remedy);
});

test("doctor knows which releases of runc let a build out of its container", () => {
  const known = (version?: string) => runcFindings(version)[0]?.message.match(/CVE-\d+-\d+/g)?.length ?? 0;
  assert.deepEqual(["1.1.5+ds1", "1.1.11", "1.0.3"].map(known), [4, 4, 4]);
  assert.deepEqual(["1.1.12", "1.2.7", "1.3.2-1"].map(known), [3, 3, 3]);
  assert.deepEqual(["1.2.8", "1.3.3", "v1.4.0", "1.5.1", "2.0.0", "unknown", undefined].map(known), [
    ...[0, 0, 0, 0, 0],
    ...[0, 0],
  ]);
});

test("doctor says that a control plane is not ready, that its clock is off, and who may read its token", async () => {
  await using world = await openWorld();
  const reasons: string[] = [];
  const { fetch } = await openApi(world, { reasons: () => Promise.resolve(reasons) });
  await using listening = await listen(fetch, { host: "127.0.0.1", port: 0 });
  const tokenFile = join(world.folder, "the-token");
  await writeFile(tokenFile, TOKEN, { mode: 0o600 });
  const look = async (api: string) => {
    const options = { api, tokenFile, data: world.folder } as Parameters<typeof planeFindings>[0];
    return (await planeFindings(options, {})).map(({ level, what, message }) =>
      `${level} ${what}: ${message}`
    );
  };
  const well = `ok control plane: ${listening.url} answers, and knows the token`;
  assert.deepEqual(await look(listening.url), [well]);
  reasons.push("Docker does not answer", "The store does not answer");
  await chmod(tokenFile, 0o644);
  assert.deepEqual(await look(listening.url), [
    `warn token: Others on this machine may read "${tokenFile}" (mode 0644)`,
    well,
    `fail control plane: ${listening.url} is not ready: Docker does not answer; The store does not answer`,
  ]);
  await chmod(tokenFile, 0o600);
  const late = createServer((_, response) => {
    response.writeHead(401, { date: "Mon, 05 Jan 2026 10:00:00 GMT" }).end();
  });
  await once(late.listen(0, "127.0.0.1"), "listening");
  try {
    const url = `http://127.0.0.1:${(late.address() as AddressInfo).port}`;
    const [refused = "", clock = ""] = await look(url);
    assert.match(refused, /^fail control plane: The control plane at ".*" does not accept the token/);
    assert.match(clock, /^warn clock: The control plane's machine and this machine are \d+d? ?.* apart$/);
  } finally {
    late.close();
  }
});
