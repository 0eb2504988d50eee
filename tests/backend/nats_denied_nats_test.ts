import assert from "node:assert/strict";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { captureLog } from "../support/process-log.ts";

const { test } = needing("broker");

test("what the login may not do is logged once, whichever message, run or reader it is about", async () => {
  await using log = await captureLog();
  await using server = await startNats({
    config: 'authorization { users: [{ user: me, password: x, permissions: { publish: { deny: ">" } } }] }',
  });
  const connection = await connectNats({ servers: [server.url.replace("//", "//me:x@")] });
  for (const n of [1, 2]) {
    for (
      const subject of [
        `_INBOX.conveyor-up.${n}.5`,
        `$JS.ACK.messages.builder.1.${n}.7.1700000000${n}.0`,
        `$JS.ACK._.account.messages.builder.1.${n}.7.1700000000${n}.0.random${n}`,
        `$JS.API.CONSUMER.CREATE.logs-engine.reader-${n}.logs.run-${n}`,
        `$JS.API.DIRECT.GET.OBJ_artifacts.$O.artifacts.M.${n}`,
        `$O.artifacts.C.${n}`,
        `logs.run-${n}`,
        `live.logs.run-${n}.builder`,
        `dead.logs-engine.logs.run-${n}`,
        `runs.run-${n}.claim.builder`,
        "pipelines.driver.result",
      ]
    ) connection.publish(subject);
  }
  connection.publish("last");
  await log.line(/"last"/);
  await connection.close();
  const on = log.lines.map((line) =>
    /^warning: NATS says: This login may not publish on "(.*)"\./.exec(line)?.[1]
  );
  assert.deepEqual(on, [
    "_INBOX.conveyor-up.>",
    "$JS.ACK.messages.builder.>",
    "$JS.ACK._.account.messages.builder.>",
    "$JS.API.CONSUMER.CREATE.logs-engine.>",
    "$JS.API.DIRECT.GET.OBJ_artifacts.>",
    "$O.artifacts.C.>",
    "logs.*",
    "live.logs.*.builder",
    "dead.logs-engine.logs.*",
    "runs.*.claim.builder",
    "pipelines.driver.result",
    "last",
  ]);
});
