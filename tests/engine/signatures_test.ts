import assert from "node:assert/strict";
import { test } from "node:test";
import { Signatures } from "../../lib/engine/shell/signatures.ts";
import { type ClaimRequest, progressProof, renewalProof } from "../../lib/wire/claim.ts";
import { RUN } from "./support/runs.ts";

test("a renewal counts with the proof of its attempt's key only, and its progress with one of its own", () => {
  const signatures = new Signatures({ sealKey: new Uint8Array(32).fill(7) });
  const key = signatures.keyOf(RUN, "a", 1);
  const base: ClaimRequest = {
    step: "a",
    event: "e",
    delivery: 1,
    instance: "i",
    host: "h",
    attempt: 1,
    nonce: "n",
  };
  const plain = { ...base, proof: renewalProof(key, base) };
  assert.ok(signatures.isRenewal(RUN, plain));
  assert.ok(!signatures.isRenewal(RUN, { ...plain, attempt: 2 }));
  assert.ok(!signatures.isRenewal(RUN, { ...plain, letsGo: true }));
  const kept = { ...plain, progress: "[1]" };
  assert.ok(!signatures.isRenewal(RUN, kept), "without a proof of the progress");
  const proved = { ...kept, progressProof: progressProof(key, kept) };
  assert.ok(signatures.isRenewal(RUN, proved));
  assert.ok(!signatures.isRenewal(RUN, { ...proved, progress: "[2]" }));
  assert.ok(!signatures.isRenewal(RUN, { ...proved, nonce: "another" }));
});
