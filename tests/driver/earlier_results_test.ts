import assert from "node:assert/strict";
import { test } from "node:test";
import { earlierResults } from "../../lib/driver/understand/earlier-results.ts";

const RESULT = { success: true, message: "up", data: { containerID: "c0ffee" }, driver: "container-start" };

test("earlierResults finds a result in each of the shapes in which servers store it", () => {
  const shapes = [
    { "driverresults.container-start": JSON.stringify(RESULT) },
    { "driverresults.container-start": RESULT },
    { driverresults: { "container-start": RESULT } },
    { driverresults: { "container-start": JSON.stringify(RESULT) } },
  ];
  for (const metadata of shapes) assert.deepEqual(earlierResults(metadata), { "container-start": RESULT });
});

test("earlierResults takes a result without message or data", () => {
  const results = earlierResults({ "driverresults.a": '{"success":false,"message":null}' });
  assert.deepEqual(results, { a: { success: false, message: "" } });
});

test("earlierResults passes over whatever is no result", () => {
  const junk = [undefined, null, {}, { version: "1" }, { driverresults: null }, { driverresults: "x" }, {
    driverresults: [1, "a"],
  }];
  for (const metadata of junk) assert.deepEqual(earlierResults(metadata), {});
  const values = ["", "{", "null", 7, null, [], '{"success":"yes"}', { success: 1 }, "[".repeat(100_000)];
  for (const value of values) assert.deepEqual(earlierResults({ "driverresults.a": value }), {});
});

test("earlierResults takes no name that could not be a driver's", () => {
  const results = earlierResults({
    "driverresults.": RESULT,
    "driverresults.a.b": RESULT,
    "driverresults.__proto__x y": RESULT,
  });
  assert.deepEqual(results, {});
  assert.equal(
    Object.getPrototypeOf(earlierResults({ "driverresults.__proto__": RESULT })),
    Object.prototype,
  );
});
