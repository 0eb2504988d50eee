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
