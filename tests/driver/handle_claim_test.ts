import assert from "node:assert/strict";
import { test } from "node:test";
import type { Context } from "../../lib/driver/driver.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { answerMac, progressProof, renewalProof } from "../../lib/wire/claim.ts";
import { dockerAway, openStage, succeed, until } from "./stage.ts";

test("a step whose engine says done or stop is left alone, and its event is acked", async () => {
  for (const answer of [{ answer: "done" }, { answer: "stop", reason: "cancelled" }] as const) {
    await using stage = await openStage({ engine: () => answer });
    let runs = 0;
    stage.start(() => Promise.resolve(succeed(String(++runs))));
    const run = await stage.send();
    await until(() => stage.claims.length === 1, "the claim is asked");
    await until(async () => !await stage.transport.holds("messages", `${run}/build/1`), "the event is acked");
    assert.deepEqual([runs, stage.left()], [0, 0]);
  }
});

test("a step whose engine says wait comes again until it may begin", async () => {
  await using stage = await openStage({
    engine: (_, __, n) => n < 3 ? { answer: "wait", retryMs: 1 } : { answer: "go", attempt: 2 },
  });
  stage.start(({ attempt }) => Promise.resolve(succeed(`attempt ${attempt}`)));
  await stage.send();
  assert.equal((await stage.result()).result.message, "attempt 2");
  assert.deepEqual(stage.claims.map((claim) => claim.delivery), [1, 2, 3]);
});

test("a step whose engine does not answer, or not in words, is not begun, and comes again", async () => {
  await using stage = await openStage({
    engine: (_, __, n) =>
      n === 1 ? undefined : n === 2 ? ({ answer: "maybe" } as never) : { answer: "go", attempt: 1 },
  });
  let runs = 0;
  stage.start(() => Promise.resolve(succeed(String(++runs))), { ackWaitMs: 600 });
  await stage.send();
  assert.equal((await stage.result()).result.message, "1");
  assert.equal(stage.claims.length, 3);
});

test("an engine of another release may say more than we know, or no more than it has to", async () => {
  const more = { tries: 1, secrets: {}, remainingMs: 60_000, mood: "good", next: { kind: "later" } };
  await using stage = await openStage({
    engine: ({ attempt = 1 }, _, n) => ({ answer: "go", attempt, ...n % 2 === 1 && more }),
  });
  stage.start(({ deadline }) => Promise.resolve(succeed(deadline === undefined ? "less" : "more")));
  await stage.send({ step: "one" });
  assert.equal((await stage.result()).result.message, "more");
  await stage.send({ step: "two" });
  assert.equal((await stage.result()).result.message, "less");
});

test("an event without claims is handled straight on, as the attempt of its delivery", async () => {
  await using stage = await openStage();
  const contexts: Context[] = [];
  stage.start((context) => {
    contexts.push(context);
    return context.attempt === 1 ? Promise.reject(dockerAway()) : Promise.resolve(succeed());
  });
  const run = await stage.send({ claims: false });
  const sent = await stage.result();
  assert.deepEqual(contexts.map(({ attempt, claimed, step }) => [attempt, claimed, step]), [[
    1,
    false,
    "builder",
  ], [2, false, "builder"]]);
  assert.equal(sent.headers[HEADERS.attempt], undefined);
  assert.deepEqual(stage.claims, []);
  assert.deepEqual(await stage.messages(run), [
    "Cannot reach Docker: the step will be tried again",
    "Attempt 2: the last lines of the one before may be missing",
  ]);
});

test("the step's id is taken from the header, else from the metadata, else it is the driver's name", async () => {
  await using stage = await openStage();
  stage.start(({ step }) => Promise.resolve(succeed(step)));
  const seen = async () => (await stage.result()).result.message;
  await stage.send({ step: "from-header", metadata: { current_pipeline_step: "from-metadata" } });
  assert.equal(await seen(), "from-header");
  await stage.send({ claims: false, metadata: { current_pipeline_step: "from-metadata" } });
  assert.equal(await seen(), "from-metadata");
  await stage.send({ claims: false, metadata: { current_pipeline_step: "no token: *" } });
  assert.equal(await seen(), "builder");
});

test("a driver that stands twice in a pipeline of a server without claims sends two results and two logs", async () => {
  await using stage = await openStage();
  stage.start(async ({ log }) => {
    await log.line("working");
    return succeed();
  });
  const run = await stage.send({ claims: false, id: "message-1" });
  await stage.send({ claims: false, id: "message-2", run });
  const sent = [await stage.result(), await stage.result()];
  assert.notEqual(sent[0]?.id, sent[1]?.id);
  assert.deepEqual(await stage.messages(run), ["working", "working"]);
});

test("progress is sent to the engine with a proof of the attempt's key, and a later attempt reads it", async () => {
  await using stage = await openStage({
    engine: ({ attempt, nonce = "" }) => {
      if (attempt === undefined) return { answer: "go", attempt: 2, key: "key", progress: '{"seen":[1]}' };
      const reply = { answer: "go", attempt } as const;
      return { ...reply, mac: answerMac("key", nonce, reply) };
    },
  });
  stage.start(async ({ progress, keepProgress }) => {
    await keepProgress({ seen: [1, 2] });
    return succeed("", progress);
  });
  await stage.send();
  assert.deepEqual((await stage.result()).result.data, { seen: [1] });
  const [, kept] = stage.claims;
  assert.ok(kept);
  assert.deepEqual([kept.attempt, kept.progress], [2, '{"seen":[1,2]}']);
  assert.equal(kept.proof, renewalProof("key", kept));
  assert.equal(kept.progressProof, progressProof("key", kept));
});

test("progress that is too large, too deep, or has a secret in it is refused, and not sent", async () => {
  const deep = JSON.parse("[".repeat(65) + "]".repeat(65));
  const cases: [unknown, RegExp][] = [
    ["x".repeat(16 * 1024), /The progress has 16386 bytes as JSON: expected 16384 at most/],
    ["ü".repeat(10_000), /The progress has 20002 bytes as JSON: expected 16384 at most/],
    [deep, /The progress is nested 65 deep: expected 64 at most/],
    [{ as: "the swordfish" }, /The progress has a secret in it: expected what may be stored/],
  ];
  for (const [progress, expected] of cases) {
    await using stage = await openStage({
      engine: () => ({ answer: "go", attempt: 1, secrets: { TOKEN: "swordfish" } }),
    });
    stage.start(async ({ keepProgress }) => {
      await keepProgress(progress);
      return succeed();
    });
    await stage.send();
    const { result } = await stage.result();
    assert.match(result.message, expected);
    assert.ok(stage.claims.every((claim) => claim.progress === undefined));
  }
});
