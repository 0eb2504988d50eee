import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson, canonicalNumber, compactJson, jsonWith } from "../../lib/base/compact-json.ts";

test("compactJson keeps the digits of numbers and the order of keys, and the last of equal keys", () => {
  const text =
    ' { "z" : 12345678901234567890 , "10":[1.0,1e21 , -0] ,"2": {"b":1,"a":"\\u00e9"}, "z":2.50}\n';
  assert.equal(compactJson(text), '{"z":2.50,"10":[1.0,1e21,-0],"2":{"b":1,"a":"é"}}');
  assert.equal(compactJson("[ ]"), "[]");
  assert.equal(compactJson(' "a \\" ] b" '), '"a \\" ] b"');
  assert.equal(compactJson('{"__proto__":{"a":1},"\\u005f_proto__":2,"b":{}}'), '{"b":{}}');
});

test("compactJson gives what JSON.stringify gives for whatever JSON.stringify has written", () => {
  fc.assert(
    fc.property(
      fc.json({ noUnicodeString: false } as never),
      fc.integer({ min: 0, max: 3 }),
      (text, indent) => {
        const value = JSON.parse(text, (key, value) => key === "__proto__" ? undefined : value);
        assert.equal(compactJson(JSON.stringify(value, null, indent)), JSON.stringify(value));
      },
    ),
  );
});

test("canonicalJson is the same for what says the same, and tells any other digit apart", () => {
  const same = ['{"b":[1,0],"a":{"d":100,"c":-1.5}}', ' {"a":{"c":-15e-1,"d":1e2},\n"b":[1.0,-0.00e9]}'];
  assert.equal(new Set(same.map(canonicalJson)).size, 1);
  assert.notEqual(canonicalJson("[12345678901234567890]"), canonicalJson("[12345678901234567891]"));
  assert.notEqual(canonicalJson("[1,2]"), canonicalJson("[2,1]"));
  assert.notEqual(canonicalJson('["1"]'), canonicalJson("[1]"));
  assert.deepEqual(["true", "null", "1e999999999999999999999"].map(canonicalNumber), [
    "true",
    "null",
    "1e999999999999999999999",
  ]);
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
      assert.equal(canonicalNumber(number.toExponential()), canonicalNumber(JSON.stringify(number)));
    }),
  );
});

test("jsonWith adds a member whose text is given", () => {
  assert.equal(jsonWith({}, "a", "1.0"), '{"a":1.0}');
  assert.equal(jsonWith({ b: 1 }, "a", "[]"), '{"b":1,"a":[]}');
});
