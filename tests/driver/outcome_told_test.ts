import assert from "node:assert/strict";
import { test } from "node:test";
import { StepFailure } from "../../lib/base/errors.ts";
import { buildStep } from "../../lib/build/step.ts";
import type { BuildContext } from "../../lib/build/policy.ts";
import { captureLog } from "../support/process-log.ts";
import { testPolicy, testSettings } from "../support/settings.ts";
import { openStage, succeed, until } from "./stage.ts";

test("each settled event is a line in the process log, with run, step, outcome, seconds, message and reason", async () => {
  await using log = await captureLog();
  await using stage = await openStage();
  stage.start(({ step }) => {
    if (step === "good") return Promise.resolve(succeed());
    throw new StepFailure("No such image\nnone", { reason: "image-not-found" });
  });
  for (const step of ["good", "bad"]) {
    const run = await stage.send({ step });
    await stage.result();
    const outcome = step === "good"
      ? "succeeded after \\d+\\.\\d\\d s"
      : "failed after \\d+\\.\\d\\d s: No such image; none \\(image-not-found\\)";
    await log.line(new RegExp(`^info: Step ${step} of run ${run} ${outcome}$`));
  }
});

test("a failed result without claims is the last line of the step's log, whatever made it fail; with claims the engine tells of it", async () => {
  await using stage = await openStage();
  stage.start(async ({ step, log }) => {
    await log.line("working");
    if (step === "bad") throw new StepFailure("No such image:\nnone", { reason: "image-not-found" });
    return succeed("done", step === "large" ? "x".repeat(100_000) : null);
  });
  const linesOf = async (event: Parameters<typeof stage.send>[0], count: number) => {
    const run = await stage.send(event);
    await stage.result();
    await until(async () => (await stage.messages(run)).length >= count, "its log is there");
    return await stage.messages(run);
  };
  const metadata = (step: string) => ({ metadata: { current_pipeline_step: step } });
  assert.deepEqual(await linesOf({ claims: false, id: "1", ...metadata("good") }, 1), ["working"]);
  assert.deepEqual(await linesOf({ claims: false, id: "2", ...metadata("bad") }, 2), [
    "working",
    "Failed (image-not-found): No such image: none",
  ]);
  const large = await linesOf({ claims: false, id: "3", ...metadata("large") }, 2);
  assert.match(large[1] ?? "", /^Failed \(driver-error\): .*data has /);
  const broken = await linesOf({ claims: false, id: "4", payload: "no JSON" }, 1);
  assert.match(broken[0] ?? "", /^Failed \(invalid-event\): /);
  assert.deepEqual(await linesOf({ step: "bad" }, 1), ["working"]);
});

test("what a Conveyor server cannot do is refused there, and taken from an engine of ours", async () => {
  const spec = { repository: "https://example.org/app.git", secrets: ["TOKEN", "KEY"], restart: 2 };
  const step = buildStep(() => Promise.resolve(succeed()));
  const context = (claimed: boolean) =>
    ({
      claimed,
      event: "create",
      resource: { id: "1", name: "app", pipeline: "p", resource: "flutter-builder", spec },
      settings: testSettings(),
      policy: testPolicy(),
      isOurs: () => Promise.resolve(false),
      signal: new AbortController().signal,
    }) as unknown as BuildContext;
  assert.equal((await step(context(true))).success, true);
  await assert.rejects(
    step(context(false)),
    (error) =>
      error instanceof StepFailure && error.reason === "invalid-spec" &&
      /^spec\.secrets: .*"TOKEN", "KEY".*: expected none;.*\nspec\.restart: .*: expected 0, got 2$/.test(
        error.message,
      ),
  );
});
