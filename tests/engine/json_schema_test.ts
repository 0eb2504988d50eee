import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { compileSchema } from "../../lib/engine/shell/json-schema.ts";

const draft = (number: string) => `http://json-schema.org/draft-0${number}/schema#`;

test("compileSchema lists every mistake with its path and value", () => {
  const check = compileSchema({
    type: "object",
    required: ["n", "m"],
    properties: {
      n: { type: "integer" },
      e: { format: "email" },
      list: { items: { enum: ["a", "b"] } },
      "a/b": { type: "string" },
    },
    additionalProperties: false,
  });
  assert.deepEqual(check({ n: 1, m: 2 } as unknown, "s"), [
    's: must NOT have additional properties: "m", got {"n":1,"m":2}',
  ]);
  const lines = check({ n: "x", e: "no", list: ["a", "z"], "a/b": 1 }, "body.spec");
  for (
    const expected of [
      /^body\.spec: must have required property 'm'/,
      /^body\.spec\.n: must be integer, got "x"$/,
      /^body\.spec\.e: must match format "email", got "no"$/,
      /^body\.spec\.list\.1: must be equal to one of the allowed values: "a", "b", got "z"$/,
      /^body\.spec\.a\/b: must be string, got 1$/,
    ]
  ) assert.ok(lines.some((line) => expected.test(line)), `${expected} is not in ${lines.join("\n")}`);
});

test("compileSchema asserts formats in every draft, and each draft's own keywords", () => {
  const drafts = [
    undefined,
    draft("4"),
    draft("6"),
    draft("7"),
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
  ];
  for (const $schema of drafts) {
    const check = compileSchema({ ...$schema && { $schema }, properties: { e: { format: "email" } } });
    assert.equal(check({ e: "no" }, "s").length, 1, `${$schema}`);
    assert.deepEqual(check({ e: "a@example.com" }, "s"), [], `${$schema}`);
  }
  const exclusive = compileSchema({
    $schema: draft("4"),
    properties: { n: { maximum: 3, exclusiveMaximum: true } },
  });
  assert.equal(exclusive({ n: 3 }, "s").length, 1);
  const tuple = compileSchema({ prefixItems: [{ type: "string" }] });
  assert.equal(tuple([1], "s").length, 1);
});

test("compileSchema refuses a schema that cannot be used, and reads no file and no page", () => {
  const refused: [unknown, RegExp][] = [
    [undefined, /expected a JSON Schema/],
    [null, /expected a JSON Schema/],
    [[], /expected a JSON Schema/],
    ["{}", /expected a JSON Schema/],
    [{ type: "wat" }, /\/type must be equal to one of the allowed values/],
    [{ $ref: "file:///etc/passwd" }, /can't resolve reference file:\/\/\/etc\/passwd/],
    [{ $ref: "http://127.0.0.1:1/schema.json" }, /can't resolve reference/],
    [{ $ref: "#/nope" }, /can't resolve reference #\/nope/],
    [
      { $schema: "https://example.invalid/none" },
      /\$schema: expected one of .*2020-12.*, got "https:\/\/example/,
    ],
    [{ $schema: 1 }, /\$schema: expected a text/],
    [{ pattern: "(" }, /nvalid regular expression/],
    [{ $ref: "#" }, /does not lead back to itself/],
    [{ $async: true }, /no \$async/],
  ];
  for (const [schema, message] of refused) {
    assert.throws(() => compileSchema(schema), (error) => {
      assert.ok(error instanceof InputError, String(error));
      assert.match(error.message, message);
      return true;
    }, JSON.stringify(schema));
  }
});

test("compileSchema takes schemas that refer to themselves, and two with one $id", () => {
  const tree = (type: string) => ({
    $id: "https://example.com/tree",
    type: "object",
    properties: { v: { type }, next: { $ref: "#" } },
  });
  const numbers = compileSchema(tree("number"));
  const texts = compileSchema(tree("string"));
  assert.equal(numbers({ next: { next: { v: "x" } } }, "s")[0], 's.next.next.v: must be number, got "x"');
  assert.deepEqual(texts({ next: { next: { v: "x" } } }, "s"), []);
  assert.deepEqual(compileSchema(true)("anything", "s"), []);
  assert.equal(compileSchema(false)({}, "s").length, 1);
});

test("compileSchema lists twenty mistakes at most", () => {
  const check = compileSchema({ items: { type: "string" } });
  const lines = check(Array.from({ length: 1000 }, (_, i) => i), "s");
  assert.deepEqual([lines.length, lines.at(-1)], [21, "and 980 more"]);
});

test("compileSchema lists the first mistake only of a long value", () => {
  const check = compileSchema({ items: { required: Array.from({ length: 100 }, (_, i) => `k${i}`) } });
  assert.equal(check([{}], "s").length, 21);
  assert.match(check(Array(60_000).fill({}), "s").join("\n"), /^s\.0: [^\n]*'k0', got {}$/);
});

test("uniqueItems finds items that are equal, whatever the order of their keys, and no others", () => {
  const check = compileSchema({ uniqueItems: true });
  const same = [[1, 1.0], [{ a: 1, b: [2] }, { b: [2], a: 1 }], [[], []], [null, null], [0, -0]];
  for (const items of same) assert.equal(check(items, "s").length, 1, JSON.stringify(items));
  const others = [
    [1, "1", true, null, "null", "true"],
    [{ a: 1 }, [["a", 1]], ["a", 1], ["{", ["a", 1]], ["{", ["[", "a", 1]]],
    [{ a: 1 }, { a: 1, b: 1 }, { b: 1 }, {}, []],
  ];
  for (const items of others) assert.deepEqual(check(items, "s"), [], JSON.stringify(items));
  assert.deepEqual(compileSchema({ uniqueItems: false })([1, 1], "s"), []);
});

test("patterns mean what they mean in ECMAScript", () => {
  const patterns: Record<string, string[]> = {
    "^\\s$": ["\u00a0", "\u2028", " ", "x", "\u3000"],
    "^\\S$": ["\u00a0", "x"],
    "^[\\s-]$": ["\ufeff", "-", "x"],
    "^.$": ["😀", "\r", "\u2028", "x"],
    "^[^]$": ["\n", "xx"],
    "^[[:alpha:]$": ["[", ":", "a", "b"],
    "^\\u0041\\u{1F600}\\/[\\-]$": ["A😀/-", "A"],
    "^\\uD83D\\uDE00$": ["😀"],
    "(?=a)b|^(?!\\.)x": ["x", ".x"],
    "^(a)\\1$": ["aa", "a"],
    "^\\p{Lu}\\d{2,3}\\.$": ["Ä12.", "ä12."],
    "^x?$": ["", "x\n", "x"],
    "\\bfoo\\b": ["a foo", "foot"],
    "^\\cJ$": ["\n", "J"],
    "^(?<year>\\d{4})-\\w+$": ["2026-a_", "26-a"],
    "^a{1,2000}$": ["aaa", ""],
    "^[.\\]\\[]$": [".", "[", "x"],
    "^\\$\\{x\\}$": ["${x}", "x"],
  };
  for (const [pattern, texts] of Object.entries(patterns)) {
    const check = compileSchema({ pattern });
    for (const text of texts) {
      const expected = new RegExp(pattern, "u").test(text);
      assert.equal(check(text, "s").length === 0, expected, `${pattern} on ${JSON.stringify(text)}`);
    }
  }
  const two = compileSchema({ properties: { a: { pattern: "^x$" }, b: { pattern: "^y$" } } });
  assert.deepEqual(two({ a: "x", b: "y" }, "s"), []);
  assert.equal(two({ a: "y", b: "x" }, "s").length, 2);
});

/** A schema of `n` definitions, each of which refers to the next one twice. */
function doubling(n: number): unknown {
  const to = (i: number) => ({ $ref: `#/$defs/d${i}` });
  const defs = Array.from({ length: n }, (_, i) => [`d${i}`, { allOf: [to(i + 1), to(i + 1)] }]);
  return { $defs: { ...Object.fromEntries(defs), [`d${n}`]: { type: "object" } }, ...to(0) };
}

/** An object in an object, so deep. */
const nested = (depth: number): unknown => depth === 0 ? {} : { x: nested(depth - 1) };

test("compileSchema bounds what references make of a short schema, also in a value that nests", () => {
  for (const $schema of [undefined, draft("4"), draft("7"), "https://json-schema.org/draft/2019-09/schema"]) {
    const schema = { ...$schema && { $schema }, ...doubling(60) as object };
    assert.throws(
      () => compileSchema(schema),
      new InputError("expected a schema whose $ref lead to fewer checks: an empty object takes too many"),
    );
  }
  assert.deepEqual(compileSchema(doubling(10))({}, "s"), []);
  // Two checks of each level make 2^60 of the last one.
  const level = { properties: { x: { $ref: "#/$defs/level" } } };
  const check = compileSchema({ $defs: { level: { allOf: [level, level] } }, $ref: "#/$defs/level" });
  assert.deepEqual(check(nested(10), "s"), []);
  assert.deepEqual(check(nested(60), "s"), [
    "s: its schema's $ref lead to more checks of it than can be made",
  ]);
  assert.deepEqual(check(nested(10), "s"), [], "the next value has a budget of its own");
  const dynamic = compileSchema({
    $dynamicAnchor: "node",
    properties: { x: { allOf: [{ $dynamicRef: "#node" }, { $dynamicRef: "#node" }] } },
  });
  assert.equal(dynamic(nested(60), "s").length, 1);
  // As many references as a long list has items are no abuse.
  const items = compileSchema({ $defs: { item: { type: "object" } }, items: { $ref: "#/$defs/item" } });
  assert.deepEqual(items(Array.from({ length: 300_000 }, () => ({})), "s"), []);
});

test("compileSchema refuses a schema that takes seconds to compile", () => {
  const properties = Object.fromEntries(
    Array.from({ length: 1200 }, (_, i) => [`p${i}`, { type: "string" }]),
  );
  assert.throws(
    () => compileSchema({ properties }),
    new InputError("expected a schema of at most 1000 parts (objects of its JSON), got 1202"),
  );
});

test("compileSchema looks for no more mistakes than it lists where there may be too many", () => {
  const looked = { count: 0 };
  const counting = new Proxy(Object.fromEntries(Array.from({ length: 1400 }, (_, i) => [`k${i}`, 1])), {
    get(target, key) {
      if (key === "toJSON") looked.count++;
      return Reflect.get(target, key);
    },
  });
  const check = compileSchema({
    allOf: Array.from({ length: 100 }, () => ({ propertyNames: { maxLength: 0 } })),
  });
  assert.ok(check(counting, "s").length <= 3);
  assert.ok(looked.count < 10, `the value was written ${looked.count} times`);
  // Few enough to be found, and all of one text.
  const few = compileSchema({
    allOf: Array.from({ length: 5 }, () => ({ propertyNames: { maxLength: 0 } })),
  });
  looked.count = 0;
  assert.match(few(counting, "s").at(-1) ?? "", /^and \d+ more$/);
  assert.ok(looked.count < 10, `the value was written ${looked.count} times`);
});
