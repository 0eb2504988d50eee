import assert from "node:assert/strict";
import { test } from "node:test";
import type { Transport } from "../../lib/backend/transport.ts";
import { Retryable } from "../../lib/base/errors.ts";
import type { ClaimReply, ClaimRequest } from "../../lib/wire/claim.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { bound, changed, dockerAway, openStage, succeed, TYPE, until } from "./stage.ts";

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

test("machinery that fails is tried as often without claims, where nothing but deliveries is counted", async () => {
  await using stage = await openStage();
  const attempts: number[] = [];
  stage.start(({ attempt }) => {
    attempts.push(attempt);
    throw dockerAway();
  });
  const run = await stage.send({ claims: false });
  const { result } = await stage.result();
  assert.deepEqual(attempts, [1, 2, 3, 4, 5]);
  assert.equal(result.message, "Cannot reach Docker (given up after 5 attempts)");
  assert.equal(result.data.reason, "docker-unreachable");
  await until(async () => !await stage.transport.holds("messages", `${run}/build/1`), "the event has ended");
});

test("an event without claims that ended every driver so far is not tried for ever", async () => {
  const through = (transport: Transport) => changed(transport, () => ({ deliveries: 11 }));
  await using stage = await openStage({ through });
  let runs = 0;
  stage.start(() => Promise.resolve(succeed(String(++runs))));
  await stage.send({ claims: false });
  const { result } = await stage.result();
  assert.deepEqual([runs, result.success, result.data.reason], [0, false, "driver-lost"]);
  assert.equal(result.message, "Given up: 10 attempts did not finish");
});

test("an event without claims that no instance can take for itself fails after a while, and says why", async () => {
  const refused = () => Promise.reject(new Retryable("Cannot write", { reason: "transport-unreachable" }));
  await using stage = await openStage({
    through: (transport) => ({ ...bound(transport), writeMark: refused }),
  });
  let runs = 0;
  const reconcile = () => Promise.resolve(succeed(String(++runs)));
  stage.start({ name: "builder", resources: [TYPE], exclusive: true, reconcile });
  await stage.send({ claims: false });
  const { result } = await stage.result();
  assert.deepEqual([runs, result.success, result.data.reason], [0, false, "transport-unreachable"]);
  assert.equal(result.message, "Cannot write (given up after 10 deliveries)");
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
  assert.equal(result.message, "Given up: 5 attempts did not finish");
});
