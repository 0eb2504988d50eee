import assert from "node:assert/strict";
import { test } from "node:test";
import { answerMac, ClaimReply, type Go } from "../../lib/wire/claim.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { isSignedWith, signed } from "../../lib/wire/signature.ts";

test("the mac of an answer depends on all that it says, and neither on the order nor on itself", () => {
  const reply: ClaimReply = { answer: "go", attempt: 2, tries: 1, remainingMs: 5 };
  const wanted = answerMac("key", "nonce", reply);
  assert.equal(answerMac("key", "nonce", { ...reply, mac: wanted }), wanted);
  assert.equal(answerMac("key", "nonce", { remainingMs: 5, tries: 1, attempt: 2, answer: "go" }), wanted);
  assert.equal(answerMac("key", "nonce", { ...reply, key: undefined }), wanted);
  const others: [string, string, ClaimReply][] = [
    ["other", "nonce", reply],
    ["key", "other", reply],
    ["key", "nonce", { ...reply, attempt: 3 }],
    ["key", "nonce", { answer: "go", attempt: 2, tries: 1 }],
    ["key", "nonce", { answer: "done" }],
  ];
  for (const [key, nonce, other] of others) assert.notEqual(answerMac(key, nonce, other), wanted);
});

test("an answer to a claim arrives with every field that it can have", () => {
  const go: Required<Go> = {
    answer: "go",
    attempt: 2,
    tries: 1,
    remainingMs: 5,
    secrets: { TOKEN: "t" },
    key: "k",
    progress: "1",
    traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
    mac: "m",
  };
  assert.deepEqual(ClaimReply.parse(go), go);
});

test("a message is signed with its body: another body, or none of its headers, is noticed", () => {
  const message = { subject: "logs.a", id: "1", headers: { [HEADERS.step]: "build" } };
  const headers = signed("key", message, "body");
  const bytes = new TextEncoder().encode("body");
  assert.ok(isSignedWith("key", { ...message, headers }, bytes));
  assert.ok(isSignedWith("key", { ...message, headers }), "without the body, its digest is trusted");
  assert.ok(!isSignedWith("key", { ...message, headers }, new TextEncoder().encode("another")));
  assert.ok(!isSignedWith("other", { ...message, headers }, bytes));
  assert.ok(!isSignedWith("key", message, bytes));
});
