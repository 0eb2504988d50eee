import assert from "node:assert/strict";
import { test } from "node:test";
import { isProof, looksSealed, openRequest, sealRequest } from "../../lib/wire/sealed-request.ts";

const TOKEN = "a-token-of-the-control-plane";
const now = 1_800_000_000_000;
const facts = { method: "POST", path: "/runs?x=1", now };
const body = new TextEncoder().encode('{"secrets":{"KEY":"hunter2-hunter2"}}');

test("sealRequest hides the body and the token, and openRequest gives the body back to who knows the token", () => {
  const sealed = sealRequest(TOKEN, { ...facts, body });
  assert.ok(looksSealed(sealed.authorization));
  const sent = Buffer.concat([Buffer.from(sealed.authorization), sealed.body]).toString("latin1");
  assert.doesNotMatch(sent, /hunter2|a-token|secrets/);
  const opened = openRequest(TOKEN, sealed.authorization, { ...facts, body: sealed.body });
  assert.deepEqual(opened?.body.toString(), Buffer.from(body).toString());
  assert.equal(opened?.isTimely, true);
  assert.equal(isProof(opened?.proof(201), sealed.proof(201)), true);
  assert.equal(isProof(opened?.proof(500), sealed.proof(201)), false);
});

test("openRequest refuses another token, and a request of which anything was changed", () => {
  const { authorization, body: ciphertext } = sealRequest(TOKEN, { ...facts, body });
  const [, seconds, nonce, tag] = /^Sealed (\d+)\.(.+)\.(.+)$/.exec(authorization) ?? [];
  const open = (
    change: Partial<typeof facts & { body: Uint8Array; authorization: string; token: string }>,
  ) => {
    const asked = { ...facts, body: ciphertext, authorization, token: TOKEN, ...change };
    return openRequest(asked.token, asked.authorization, asked);
  };
  assert.notEqual(open({}), undefined);
  const turned = Uint8Array.from(ciphertext, (byte, i) => i === 3 ? byte ^ 1 : byte);
  const changes = [
    { token: `${TOKEN}x` },
    { method: "GET" },
    { path: "/runs?x=2" },
    { body: turned },
    { body: new Uint8Array() },
    { authorization: `Sealed ${Number(seconds) + 1}.${nonce}.${tag}` },
    { authorization: `Sealed ${seconds}.${"A".repeat(22)}.${tag}` },
    { authorization: `Sealed ${seconds}.${nonce}.${"A".repeat(22)}` },
    { authorization: `Sealed ${seconds}.${nonce}.` },
    { authorization: `Bearer ${TOKEN}` },
    { authorization: "" },
  ];
  for (const change of changes) assert.equal(open(change), undefined, JSON.stringify(change));
});

test("openRequest tells a request that is too old, or from a clock far ahead", () => {
  const { authorization, body: ciphertext } = sealRequest(TOKEN, { ...facts, body });
  const isTimely = (offsetMs: number) =>
    openRequest(TOKEN, authorization, { ...facts, body: ciphertext, now: now + offsetMs })?.isTimely;
  assert.deepEqual([0, 300_000, -300_000, 301_000, -301_000].map(isTimely), [true, true, true, false, false]);
});

test("sealRequest makes another request each time, and isProof takes only the right text", () => {
  const [one, other] = [sealRequest(TOKEN, { ...facts, body }), sealRequest(TOKEN, { ...facts, body })];
  assert.notEqual(one.authorization, other.authorization);
  assert.notEqual(one.proof(200), other.proof(200));
  assert.equal(isProof(undefined, one.proof(200)), false);
  assert.equal(isProof("", one.proof(200)), false);
  assert.equal(isProof(["x"], one.proof(200)), false);
});
