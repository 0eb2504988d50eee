import assert from "node:assert/strict";
import { test } from "node:test";
import { messageOf } from "../../lib/base/errors.ts";

test("messageOf says an error with its causes, and nothing twice", () => {
  const refused = new Error("connect ECONNREFUSED 127.0.0.1:1");
  const dialled = new Error("connection refused", { cause: refused });
  const all = "Cannot connect: connection refused: connect ECONNREFUSED 127.0.0.1:1";
  assert.equal(messageOf(new Error("Cannot connect", { cause: dialled })), all);
  assert.equal(messageOf(new Error("Cannot connect: connection refused", { cause: dialled })), all);
  assert.equal(messageOf(new Error(all, { cause: dialled })), all);
  assert.equal(messageOf(new TypeError("", { cause: "a text" })), "TypeError: a text");
});
