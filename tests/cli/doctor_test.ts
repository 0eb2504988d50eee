import assert from "node:assert/strict";
import { test } from "node:test";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { dataFindings } from "../../lib/cli/doctor/checks.ts";
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
