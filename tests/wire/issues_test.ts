import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { describeIssues, parseForeign } from "../../lib/wire/issues.ts";

const describe = (
  schema: z.ZodType,
  input: unknown,
  ...rest: [{ sourceOf: () => string | undefined }?]
) => {
  const { error } = schema.safeParse(input);
  assert.ok(error);
  return describeIssues(error, input, "spec", ...rest).split("\n");
};

test("describeIssues lists twenty problems at most, and says how many more there are", () => {
  const numbers = z.array(z.number());
  const texts = (count: number) => Array.from({ length: count }, () => "x");
  assert.equal(describe(numbers, texts(20)).length, 20);
  const more = describe(numbers, texts(22));
  assert.deepEqual([more.length, more[20]], [21, "and 2 more"]);
});

test("describeIssues names the branch of a union that fits best", () => {
  const schema = z.object({ env: z.union([z.string(), z.object({ a: z.object({ b: z.number() }) })]) });
  assert.deepEqual(describe(schema, { env: { a: { b: "x" } } }), [
    'spec.env.a.b: expected number, got "x"',
  ]);
});

test("describeIssues quotes a value that is missing, null or no object as such, and cuts a long one", () => {
  const schema = z.object({ a: z.object({ b: z.string() }) });
  assert.match(describe(schema, { a: {} })[0] ?? "", /^spec\.a\.b: .*, got nothing$/);
  assert.match(describe(schema, { a: null })[0] ?? "", /^spec\.a: .*, got null$/);
  assert.match(describe(schema, { a: "text" })[0] ?? "", /^spec\.a: .*, got "text"$/);
  const [long = ""] = describe(z.number(), "x".repeat(1000));
  assert.ok(long.length < 200 && long.includes("…"), long);
});

test("describeIssues asks for quotes only where a text was expected", () => {
  const sourceOf = () => "1.10";
  assert.deepEqual(describe(z.object({ v: z.string() }), { v: 1.1 }, { sourceOf }), [
    'spec.v: expected a text in quotes, like "1.10", got 1.10',
  ]);
  assert.match(
    describe(z.object({ v: z.boolean() }), { v: 1.1 }, { sourceOf })[0] ?? "",
    /^spec\.v: expected boolean, got 1\.10$/,
  );
});

test("describeIssues names all that a union takes where no branch fits better than another", () => {
  const schema = z.object({ steps: z.union([z.string(), z.array(z.number()), z.literal(false)]) });
  assert.deepEqual(describe(schema, { steps: 5 }), [
    "spec.steps: expected string or array or false, got 5",
  ]);
});

test("describeIssues asks for quotes around what YAML has made of a line", () => {
  const schema = z.object({ steps: z.array(z.union([z.string(), z.array(z.string())])) });
  const inFile = (step: unknown, source?: string) =>
    describe(schema, { steps: [step] }, { sourceOf: () => source })[0];
  assert.equal(
    inFile(true, "yes"),
    'spec.steps.0: expected a text in quotes, like "yes", or array, got yes',
  );
  assert.equal(
    inFile({ "echo a": "b" }),
    'spec.steps.0: expected string or array; a text with ": " in it needs quotes, got {"echo a":"b"}',
  );
  assert.equal(inFile({ run: { a: 1 } }), 'spec.steps.0: expected string or array, got {"run":{"a":1}}');
  assert.equal(inFile(null, ""), "spec.steps.0: expected string or array, got null");
  assert.deepEqual(describe(schema, { steps: [{ "echo a": "b" }] }), [
    'spec.steps.0: expected string or array, got {"echo a":"b"}',
  ]);
});

test("describeIssues says of a union what the one branch says that takes values of this type", () => {
  const time = z.string().refine(() => false, { error: "Invalid time: expected one like 5m" });
  const schema = z.object({ timeout: z.union([z.number(), time]) });
  assert.deepEqual(describe(schema, { timeout: "5x" }), [
    'spec.timeout: invalid time: expected one like 5m, got "5x"',
  ]);
  assert.deepEqual(describe(schema, { timeout: true }), [
    "spec.timeout: expected number or string, got true",
  ]);
});

test("describeIssues names the input itself only where it has a name", () => {
  const { error } = z.strictObject({ a: z.string() }).safeParse({ b: 1 });
  assert.ok(error);
  assert.deepEqual(describeIssues(error, { b: 1 }, "").split("\n"), [
    "a: expected string, got nothing",
    'unrecognized key: "b"',
  ]);
});

test("parseForeign takes more mistakes than can be listed for one, and no other failure of a schema", () => {
  const failing = (error: Error) =>
    z.unknown().superRefine(() => {
      throw error;
    });
  const parsed = parseForeign(failing(new RangeError("Maximum call stack size exceeded")), 1);
  assert.match(parsed.error?.message ?? "", /expected fewer mistakes than can be listed/);
  assert.throws(() => parseForeign(failing(new TypeError("a defect")), 1), /a defect/);
  assert.equal(parseForeign(z.number(), 1).data, 1);
});
