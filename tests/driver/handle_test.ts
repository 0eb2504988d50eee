import assert from "node:assert/strict";
import { test } from "node:test";
import type { Context } from "../../lib/driver/driver.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { openStage, succeed, TYPE } from "./stage.ts";

test("an instance hands an event to its driver, and its result to the engine, before it acks", async () => {
  await using stage = await openStage();
  let seen: Context | undefined;
  stage.start((context) => {
    seen = context;
    return Promise.resolve(succeed("built", { a: 1 }));
  });
  const run = await stage.send({ spec: { repository: "x" }, event: "update" });
  const sent = await stage.result();
  assert.equal(sent.id, `${run}/build/1`);
  assert.deepEqual(sent.headers, { [HEADERS.step]: "build", [HEADERS.attempt]: "1" });
  assert.deepEqual(JSON.parse(sent.text), {
    event: "driver.result",
    run_id: run,
    resource: {
      id: "r-1",
      name: "app",
      pipeline: "flutter",
      resource: TYPE,
      metadata: {},
      spec: { repository: "x" },
    },
    driverresult: { success: true, message: "built", data: { a: 1 }, driver: "builder" },
  });
  assert.equal(seen?.event, "update");
  assert.deepEqual([seen?.run, seen?.step, seen?.attempt, seen?.claimed], [run, "build", 1, true]);
});
