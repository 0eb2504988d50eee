import assert from "node:assert/strict";
import { test } from "node:test";
import { gapCut } from "../../lib/engine/core/log-cut.ts";
import { newRun } from "../../lib/engine/core/new-run.ts";
import { RUN, submission } from "./support/runs.ts";

const HOUR = 3_600_000;
const run = newRun(RUN, submission("a"), 1);
const reasonOf = (gap: { isFirst?: boolean; startedAt?: number | undefined }, keepLogsMs = HOUR) =>
  gapCut(run, { step: "a", lines: 2, isFirst: true, startedAt: 0, ...gap }, { keepLogsMs, now: 2 * HOUR })
    .reason;

test("missing lines have expired only if they can be that old, else they are lost", () => {
  assert.equal(reasonOf({}), "retention");
  assert.equal(reasonOf({ startedAt: 1.5 * HOUR }), "lost", "the step is younger");
  assert.equal(reasonOf({ startedAt: undefined }), "lost", "nobody knows when it began");
  assert.equal(reasonOf({ isFirst: false }), "lost", "lines before them are there");
  assert.equal(reasonOf({}, Infinity), "lost", "logs are kept for ever");
});
