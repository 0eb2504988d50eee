import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import type { Submission } from "../../lib/engine/core/submission.ts";
import { checkSubmission } from "../../lib/engine/core/validate.ts";
import { RUN, stepsOf, submission } from "./support/runs.ts";

const refuses = (wrong: unknown, message: RegExp) =>
  assert.throws(
    () => checkSubmission(wrong as Submission),
    (error) => {
      assert.ok(error instanceof InputError, String(error));
      assert.match(error.message, message);
      return true;
    },
  );
const resource = (changes: Record<string, unknown>) =>
  submission("a", { resource: { ...submission("a").resource, ...changes } });
const pipeline = (changes: Record<string, unknown>) =>
  submission("a", { pipeline: { ...submission("a").pipeline, ...changes } });

test("checkSubmission takes what is in order", () => {
  checkSubmission(submission("a b x:a c!", { run: RUN, secrets: { TOKEN: "" } }));
  checkSubmission(resource({ spec: undefined, metadata: null, more: [1] }));
  checkSubmission(resource({ spec: { text: "x".repeat(262_000) } }));
});

test("checkSubmission names what is wrong, the value and what was expected", () => {
  refuses(submission("a", { run: "42" }), /submission\.run: expected a UUID, got "42"/);
  refuses(resource({ resource: "a.b" }), /submission\.resource\.resource: expected letters, .*, got "a\.b"/);
  refuses(resource({ name: "" }), /submission\.resource\.name: expected a name, got ""/);
  refuses(pipeline({ steps: [] }), /submission\.pipeline\.steps: expected at least one step, got \[\]/);
  refuses(pipeline({ name: "" }), /submission\.pipeline\.name: expected a name/);
  refuses(
    pipeline({ steps: [{ id: "a", name: "A", driver: "x>y" }] }),
    /submission\.pipeline\.steps\.0\.driver: expected letters/,
  );
  refuses(
    pipeline({ steps: [{ id: "a", name: "A", driver: "a", timeout: -1 }] }),
    /submission\.pipeline\.steps\.0\.timeout: .*got -1/,
  );
  refuses({ ...submission("a"), operation: "process" }, /submission\.operation: .*got "process"/);
  for (const timeoutMs of [0, -1, Number.NaN, Infinity, 1e12]) {
    refuses(submission("a", { timeoutMs }), /submission\.timeoutMs: /);
  }
  for (const restarts of [-1, 1.5, 11]) refuses(submission("a", { restarts }), /submission\.restarts: /);
  for (const nothing of [undefined, null, 7, "x", []]) refuses(nothing, /submission/);
});

test("checkSubmission takes what is just within its limits, and nothing past them", () => {
  const steps = (count: number) => stepsOf(Array.from({ length: count }, (_, i) => `s${i}`).join(" "));
  const secrets = (length: number) => submission("a", { secrets: { X: "y".repeat(length) } });
  const bounds: [(n: number) => Submission, most: number, RegExp][] = [
    [(n) => submission("a", { timeoutMs: n }), 2 ** 31 - 1, /submission\.timeoutMs: /],
    [(n) => submission("a", { restarts: n }), 10, /submission\.restarts: /],
    [(n) => resource({ name: "n".repeat(n) }), 256, /resource\.name: expected 256 characters at most/],
    [(n) => pipeline({ name: "n".repeat(n) }), 256, /pipeline\.name: expected 256 characters at most/],
    [(n) => pipeline({ steps: steps(n) }), 100, /expected 100 steps at most/],
    [(n) => resource({ spec: "x".repeat(n) }), 262_142, /resource\.spec: has 262145 bytes/],
    [(n) => resource({ metadata: { x: "y".repeat(n) } }), 65_528, /resource\.metadata: has 65537 bytes/],
    [secrets, 65_528, /submission\.secrets: has 65537 bytes/],
  ];
  for (const [at, most, message] of bounds) {
    checkSubmission(at(most));
    refuses(at(most + 1), message);
  }
  // A reply to a claim has to hold all secrets.
  checkSubmission(secrets(1016), 5120);
  assert.throws(() => checkSubmission(secrets(1017), 5120), /secrets: has 1025 bytes as JSON, expected 1024/);
});

test("checkSubmission refuses two steps of one id, but not of one driver", () => {
  refuses(
    pipeline({ steps: stepsOf("a b a:c") }),
    /steps.2.id: expected an id of its own for each step, got "a"/,
  );
  checkSubmission(pipeline({ steps: stepsOf("x:a y:a") }));
  refuses(
    pipeline({ steps: stepsOf(Array.from({ length: 101 }, (_, i) => `s${i}`).join(" ")) }),
    /submission\.pipeline\.steps: expected 100 steps at most/,
  );
});

test("checkSubmission refuses a pipeline for another type", () => {
  refuses(
    pipeline({ resource: "other" }),
    /Pipeline "line" is for resources of the type "other": got "thing"/,
  );
});

test("checkSubmission refuses what would not travel: too large, too deep, no JSON", () => {
  refuses(
    resource({ spec: "x".repeat(262_144) }),
    /submission\.resource\.spec: has 262146 bytes as JSON, expected 262144 at most/,
  );
  refuses(
    resource({ metadata: { x: "y".repeat(70_000) } }),
    /submission\.resource\.metadata: has 700\d\d bytes/,
  );
  refuses(resource({ more: "y".repeat(70_000) }), /submission\.resource: has 700\d\d bytes/);
  refuses(submission("a", { secrets: { X: "y".repeat(70_000) } }), /submission\.secrets: has 700\d\d bytes/);
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  refuses(resource({ spec: circle }), /submission\.resource\.spec: cannot be written as JSON/);
  refuses(resource({ spec: { big: 1n } }), /submission\.resource\.spec: cannot be written as JSON/);
});

test("checkSubmission shows no secret in what it says", () => {
  // What is wrong is quoted, so the wrong value has the secret in it.
  const secrets = { TOKEN: { value: "hunter2-hunter2" } };
  assert.throws(
    () => checkSubmission({ ...submission("a"), secrets } as unknown as Submission),
    (error) => error instanceof InputError && !error.message.includes("hunter2"),
  );
});

test("checkSubmission takes secrets for one driver of the pipeline, and refuses those for a driver that it has not", () => {
  checkSubmission(submission("a x:b", { secrets: { TOKEN: "t", "b:git.example.com": "t" } }));
  refuses(
    submission("a x:b", { secrets: { "x:git.example.com": "hunter2-hunter2" } }),
    /^submission\.secrets: "x:git\.example\.com" is for the driver "x", which has no step in the pipeline "line"$/,
  );
});
