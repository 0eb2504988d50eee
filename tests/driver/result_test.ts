import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { MAX_MESSAGE_BYTES } from "../../lib/backend/transport.ts";
import { maskOf } from "../../lib/driver/log/mask/mask.ts";
import { MAX_DATA_BYTES, MAX_TEXT_BYTES, resultEvent, resultText } from "../../lib/driver/report/result.ts";

const NO_MASK = maskOf({});
const written = (result: unknown, mask = NO_MASK) => JSON.parse(resultText(result, "builder", mask));

test("resultText writes a result with its driver's name, and nothing that is no part of one", () => {
  assert.deepEqual(written({ success: true, message: "m", data: { a: [1] }, more: 1 }), {
    success: true,
    message: "m",
    data: { a: [1] },
    driver: "builder",
  });
  assert.deepEqual(written({ success: false }), {
    success: false,
    message: "",
    data: null,
    driver: "builder",
  });
});

test("resultText masks message, data and keys", () => {
  const mask = maskOf({ TOKEN: "swordfish" });
  assert.deepEqual(
    written({ success: true, message: "a swordfish", data: { swordfish: ["x swordfish"] } }, mask),
    {
      success: true,
      message: "a ***",
      data: { "***": ["x ***"] },
      driver: "builder",
    },
  );
});

test("resultText refuses what is larger than a result may be, and says so in its place", () => {
  const data = written({ success: true, message: "", data: "x".repeat(MAX_DATA_BYTES) });
  assert.deepEqual([data.success, data.data], [false, { reason: "driver-error" }]);
  assert.match(
    data.message,
    /^Driver "builder" returned an invalid result: data has 64\.0 KiB, expected 64\.0 KiB at most$/,
  );
  const message = written({ success: true, message: "ü".repeat(MAX_TEXT_BYTES) });
  assert.match(message.message, /message has 32\.0 KiB, expected 16\.0 KiB at most$/);
  assert.equal(
    written({ success: true, message: "x".repeat(MAX_TEXT_BYTES), data: "x".repeat(MAX_DATA_BYTES - 2) })
      .success,
    true,
  );
});

test("resultText refuses what is no result at all", () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const cases: [unknown, RegExp][] = [
    [undefined, /expected an object with success, message and data, got undefined$/],
    ["ok", /expected an object .*got ok$/],
    [{ success: "yes" }, /success: expected true or false, got yes$/],
    [{ success: true, message: 7 }, /message: expected a text, got number$/],
    [{ success: true, message: "", data: circular }, /returned an invalid result/],
    [{ success: true, message: "", data: { n: 1n } }, /returned an invalid result/],
  ];
  for (const [result, expected] of cases) {
    const { success, message, data } = written(result);
    assert.deepEqual([success, data], [false, { reason: "driver-error" }]);
    assert.match(message, expected);
  }
});

test("resultEvent echoes the resource's text, and what stands in for it where a message has no room", () => {
  const result = resultText({ success: true, message: "", data: "x".repeat(60_000) }, "builder", NO_MASK);
  const standIn = '{"id":"1"}';
  const small = '{"id":"1","n":12345678901234567890}';
  assert.ok(resultEvent("r", { payload: small, standIn }, result).includes(`"resource":${small},`));
  const large = JSON.stringify({ id: "1", spec: "x".repeat(MAX_MESSAGE_BYTES - 60_000) });
  const event = resultEvent("r", { payload: large, standIn }, result);
  assert.deepEqual(JSON.parse(event).resource, { id: "1" });
  assert.ok(Buffer.byteLength(event) < MAX_MESSAGE_BYTES);
});
