import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { claim } from "../../lib/engine/core/claim.ts";
import { decide, type Input } from "../../lib/engine/core/decide.ts";
import { openStep } from "../../lib/engine/core/steps.ts";
import { REASONS } from "../../lib/wire/reasons.ts";
import { type ClaimRequest } from "../../lib/wire/claim.ts";
import { Run, type StepState } from "../../lib/wire/run.ts";
import { RUN, runOf } from "./support/runs.ts";

const ACK_WAIT = 30_000;

/**
 * One thing that happens to a run: early, late, twice or never, as it comes. Numbers are near what is
 * current.
 */
type Happening =
  | {
    what: "claim";
    step: number;
    age: number;
    delivery: number;
    instance: string;
    renews: boolean;
    letsGo: boolean;
  }
  | { what: "result"; step: number; age: number; known: "all" | "step" | "nothing"; kind: number }
  | { what: "input"; input: Input }
  | { what: "lost" | "published" | "begun" }
  | { what: "time"; ms: number };

const small = fc.nat({ max: 3 });
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant("claim" as const),
      step: small,
      age: fc.nat({ max: 2 }),
      delivery: fc.integer({ min: 1, max: 3 }),
      instance: fc.constantFrom("i", "j"),
      renews: fc.boolean(),
      letsGo: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant("result" as const),
      step: small,
      age: fc.nat({ max: 2 }),
      known: fc.constantFrom("all" as const, "step" as const, "nothing" as const),
      kind: fc.nat({ max: 5 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant("input" as const),
      input: fc.constantFrom<Input>(
        { kind: "stop", outcome: "cancelled", reason: "cancelled", message: "stop" },
        { kind: "stop", outcome: "timed-out", reason: "timeout", message: "late" },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constantFrom("lost" as const, "published" as const, "begun" as const) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant("time" as const),
      ms: fc.constantFrom(1, 10_000, 31_000, 700_000, 4_000_000),
    }),
  },
);

const pipelines = fc.constantFrom("a b c d!", "a", "a! b", "a b! c d!", "x:a y:a z:b!", "a b c", "a! b!");

interface World {
  run: Run;
  now: number;
}

function happen({ run, now }: World, happening: Happening): World {
  const at = (index: number): StepState | undefined => run.steps[index % run.steps.length];
  switch (happening.what) {
    case "time":
      return {
        run: decide(run, { kind: "time", ackWaitMs: ACK_WAIT, hearingSince: 0 }, now + happening.ms),
        now: now + happening.ms,
      };
    case "input":
      return { run: decide(run, happening.input, now), now };
    case "published":
      return { run: decide(run, { kind: "published", id: run.outbox[0]?.id ?? "" }, now), now };
    case "lost": {
      const { id = "", dispatch = 0, heardAt } = openStep(run) ?? {};
      return { run: decide(run, { kind: "event-lost", step: id, dispatch, heardAt }, now), now };
    }
    case "begun":
      return { run: decide(run, { kind: "begun", step: openStep(run)?.id ?? "" }, now), now };
    case "claim": {
      const step = at(happening.step);
      return step ? { run: asked(run, step, happening, now), now } : { run, now };
    }
    case "result": {
      const step = at(happening.step);
      return step ? { run: answered(run, step, happening, now), now } : { run, now };
    }
  }
}

function asked(run: Run, step: StepState, how: Extract<Happening, { what: "claim" }>, now: number): Run {
  const request: ClaimRequest = {
    step: step.id,
    event: `${RUN}/${step.id}/${Math.max(1, step.dispatch - how.age)}`,
    delivery: how.delivery,
    instance: how.instance,
    host: "h",
    ...(how.renews ? { attempt: Math.max(1, step.attempt - how.age), letsGo: how.letsGo } : {}),
  };
  return claim(run, request, { now, ackWaitMs: ACK_WAIT, graceMs: 0, askedAt: now - 1 }).run;
}

function answered(run: Run, step: StepState, how: Extract<Happening, { what: "result" }>, now: number): Run {
  const { id, driver, attempt } = step;
  const result = [
    { success: true, message: "ok", data: { host: "h1" } },
    { success: true, message: "ok" },
    { success: true, message: "none", data: { skipped: true } },
    { success: false, message: "lost", data: { reason: "driver-lost" } },
    { success: false, message: "bad", data: { reason: REASONS[now % REASONS.length] } },
    { success: false, message: "" },
  ][how.kind] ?? { success: true, message: "" };
  const input: Input = {
    kind: "result",
    driver,
    result,
    ...(how.known === "nothing" ? {} : { step: id }),
    ...(how.known === "all" ? { attempt: Math.max(1, attempt - how.age) } : {}),
  };
  const next = decide(run, input, now);
  if (how.known === "all") {
    assert.equal(decide(next, input, now), next, "a second copy of a result has an effect");
  }
  return next;
}

const isClosed = ({ status }: StepState) => ["succeeded", "failed", "skipped"].includes(status);
const isOpen = ({ status }: StepState) => ["dispatched", "running"].includes(status);

/** What holds for every run at every moment. */
function checkState(run: Run): void {
  Run.parse(run);
  const open = run.steps.filter(isOpen);
  assert.ok(open.length <= 1, "two steps are open");
  assert.equal(
    open.length === 0,
    run.outcome !== undefined,
    "a run is open exactly while one of its steps is",
  );
  for (const { id } of run.outbox) {
    assert.equal(id, `${RUN}/${open[0]?.id}/${open[0]?.dispatch}`, "the outbox has a stale event");
  }
  assert.ok(run.outbox.length <= 1);
  if (run.outcome === undefined) return;
  assert.ok(run.steps.every(isClosed), "a run has ended with a step that has not");
  assert.equal(run.outcome, run.verdict?.outcome);
  assert.equal(run.outcome !== "succeeded", run.verdict?.reason !== undefined);
  if (run.outcome === "succeeded") assert.ok(run.steps.every(({ status }) => status !== "failed"));
}

/** What holds from one moment to the next. */
function checkChange(before: Run, after: Run): void {
  if (before.outcome !== undefined) assert.equal(after, before, "a run has changed after its end");
  if (before.verdict) assert.deepEqual(after.verdict, before.verdict, "a verdict has changed");
  const restarts = (run: Run) => run.restartsLeft + (run.earlier?.length ?? 0);
  assert.equal(restarts(after), restarts(before));
  assert.ok(after.restartsLeft >= 0);
  for (const [i, step] of before.steps.entries()) {
    const next = after.steps[i];
    assert.ok(
      next && next.attempt >= step.attempt && next.dispatch >= step.dispatch,
      "a number was used twice",
    );
    const isSameRound = before.earlier?.length === after.earlier?.length;
    if (isSameRound && isClosed(step)) assert.deepEqual(next, step, "a closed step has changed");
  }
}

/** From here on all drivers are alive and answer well; everything else is over. */
function calm(world: World): World {
  let { run, now } = world;
  for (let moves = 0; run.outcome === undefined; moves++) {
    assert.ok(moves < 100, "the run does not come to its end");
    now += ACK_WAIT + 1;
    run = decide(run, { kind: "time", ackWaitMs: ACK_WAIT, hearingSince: 0 }, now);
    const step = openStep(run);
    if (!step) break;
    run = asked(run, step, {
      what: "claim",
      step: 0,
      age: 0,
      delivery: 1000 + moves,
      instance: "calm",
      renews: false,
      letsGo: false,
    }, now);
    const granted = openStep(run);
    if (granted?.status === "running") {
      run = decide(run, {
        kind: "result",
        driver: granted.driver,
        step: granted.id,
        attempt: granted.attempt,
        result: { success: true, message: "calm" },
      }, now);
    }
    checkState(run);
  }
  return { run, now };
}

test("decide and claim bring every run to one end, whatever comes early, late, twice or never", () => {
  fc.assert(
    fc.property(
      pipelines,
      fc.nat({ max: 2 }),
      fc.array(happening, { maxLength: 60 }),
      (pipeline, restarts, happenings) => {
        let world: World = { run: runOf(pipeline, { restarts }), now: 1000 };
        world.run = decide(world.run, { kind: "submitted" }, world.now);
        checkState(world.run);
        for (const one of happenings) {
          const next = happen(world, one);
          checkState(next.run);
          checkChange(world.run, next.run);
          world = next;
        }
        const { run } = calm(world);
        checkChange(world.run, run);
        const always = run.steps.filter((step) => step.always);
        assert.ok(always.every(({ dispatch, status }) => dispatch > 0 && status !== "pending"));
      },
    ),
    { numRuns: 3000 },
  );
});

test("decide hands out what always runs only after everything before it is closed", () => {
  fc.assert(
    fc.property(pipelines, fc.array(happening, { maxLength: 40 }), (pipeline, happenings) => {
      let world: World = { run: runOf(pipeline, { restarts: 1 }), now: 1000 };
      world.run = decide(world.run, { kind: "submitted" }, world.now);
      for (const one of happenings) {
        world = happen(world, one);
        const open = world.run.steps.findIndex(isOpen);
        if (open > 0) assert.ok(world.run.steps.slice(0, open).every(isClosed));
      }
    }),
    { numRuns: 1000 },
  );
});

test("decide abandons every run at once, at whatever moment", () => {
  fc.assert(
    fc.property(pipelines, fc.array(happening, { maxLength: 30 }), (pipeline, happenings) => {
      let world: World = { run: runOf(pipeline), now: 1000 };
      world.run = decide(world.run, { kind: "submitted" }, world.now);
      for (const one of happenings) world = happen(world, one);
      const run = decide(world.run, { kind: "abandoned", message: "gone" }, world.now);
      assert.notEqual(run.outcome, undefined);
      checkState(run);
      checkChange(world.run, run);
    }),
    { numRuns: 500 },
  );
});
