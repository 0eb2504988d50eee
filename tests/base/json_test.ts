import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_JSON_DEPTH, memberText, NestingError, nestingOf, parseJson } from "../../lib/base/json.ts";
import { readSubmission } from "../../lib/engine/http/submission.ts";

test("memberText gives the text of a member, however the object is written", () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1, noNullPrototype: true });
  fc.assert(fc.property(object, fc.constantFrom(undefined, 1, "\t"), (object, space) => {
    const text = JSON.stringify(object, null, space);
    for (const [key, value] of Object.entries(object)) {
      const found = memberText(text, key);
      assert.ok(found !== undefined);
      assert.deepEqual(JSON.parse(found), JSON.parse(JSON.stringify(value)));
    }
  }));
});

test("memberText keeps a value as it is written, and of a key that stands twice takes the last", () => {
  assert.equal(
    memberText('{"a":1.0,"b":{"a":7},"\\u0061" : 12345678901234567890 }', "a"),
    "12345678901234567890",
  );
  assert.equal(memberText('{"b":["a",{"a":1}]}', "a"), undefined);
  assert.equal(memberText('{"x\\\\":"}","a":"\\"{,"}', "a"), '"\\"{,"');
});

test("nestingOf counts brackets that are no part of a text", () => {
  assert.equal(nestingOf('"[[[["'), 0);
  assert.equal(nestingOf('[{"a":"]\\"["},[[]]]'), 3);
  assert.equal(nestingOf("[".repeat(100_000)), 100_000);
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const depth = (inner: unknown): number =>
      typeof inner === "object" && inner !== null ? 1 + Math.max(0, ...Object.values(inner).map(depth)) : 0;
    assert.equal(nestingOf(JSON.stringify(value)), depth(value));
  }));
});

test("parseJson refuses what is nested too deeply before it parses it, and says how deep", () => {
  const nested = (n: number) => "[".repeat(n) + "]".repeat(n);
  assert.notEqual(parseJson(nested(MAX_JSON_DEPTH)), undefined);
  assert.throws(
    () => parseJson(nested(MAX_JSON_DEPTH + 1)),
    /^NestingError: It is nested 65 deep, expected 64 at most$/,
  );
  assert.throws(() => parseJson("[".repeat(200_000)), NestingError);
  assert.notEqual(parseJson(nested(70), { maxDepth: 70 }), undefined);
  assert.deepEqual(parseJson(JSON.stringify({ a: "[".repeat(1000) })), { a: "[".repeat(1000) });
  assert.throws(() => parseJson("{"), SyntaxError);
  assert.throws(
    () => readSubmission("[".repeat(200_000)),
    /^InputError: .*nested 200000 deep, expected 64 at most$/,
  );
});

test("parseJson refuses what is too long, before it is parsed, and says how long it may be", () => {
  assert.throws(() => parseJson("[".repeat(100), { maxLength: 99 }), {
    name: "LengthError",
    message: "It has 100 characters, expected 99 at most",
  });
  assert.deepEqual(parseJson("[1]", { maxLength: 3 }), [1]);
});

test("parseJson leaves out members that would become a prototype when they are copied", () => {
  for (const key of ['"__proto__"', '"\\u005f_proto__"']) {
    assert.deepEqual(parseJson(`{"a":{${key}:{"b":1},"c":2}}`), { a: { c: 2 } }, key);
  }
});
