import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClaimReply, ClaimRequest } from "../../lib/wire/claim.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { dockerAway, openStage, succeed } from "./stage.ts";

test("machinery that fails is tried again as the next attempt, and at last the step fails for it", async () => {
  await using stage = await openStage();
  const attempts: number[] = [];
  stage.start(({ attempt }) => {
    attempts.push(attempt);
    throw dockerAway();
  });
  await stage.send({ run: "fbab31f6-a278-4a8f-96be-ac49b007ca65" });
  const { result, headers } = await stage.result();
  assert.deepEqual(attempts, [1, 2, 3, 4, 5]);
  assert.equal(headers[HEADERS.attempt], "5");
  const letGo = stage.claims.filter((claim) => claim.letsGo).map(({ attempt }) => attempt);
  assert.deepEqual(letGo, [1, 2, 3, 4], "the engine hears that an attempt is over");
  assert.deepEqual(result, {
    success: false,
    message: "Cannot reach Docker (given up after 5 attempts)",
    data: { reason: "docker-unreachable" },
    driver: "builder",
  });
});

test("tries are counted since the run's last fresh start, attempts go on", async () => {
  const engine = ({ attempt }: ClaimRequest): ClaimReply => (
    { answer: "go", attempt: attempt ?? 9, tries: 1 }
  );
  await using stage = await openStage({ engine });
  let first = true;
  stage.start(({ attempt }) => {
    if (!first) return Promise.resolve({ success: true, message: `Attempt ${attempt}` });
    first = false;
    throw dockerAway();
  });
  await stage.send();
  assert.equal((await stage.result()).result.message, "Attempt 9");
});

test("an event that ended every driver so far is not tried for ever", async () => {
  await using stage = await openStage({ engine: () => ({ answer: "go", attempt: 6 }) });
  let runs = 0;
  stage.start(() => Promise.resolve(succeed(String(++runs))));
  await stage.send();
  const { result } = await stage.result();
  assert.deepEqual([runs, result.success, result.data.reason], [0, false, "driver-lost"]);
  assert.equal(result.message, "Given up: 5 attempts came to no end");
});
