import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { seal, unseal } from "../../lib/engine/shell/seal.ts";

const KEY = randomBytes(32);
const SECRETS = { TOKEN: "s3cr3t-täst", EMPTY: "" };

test("unseal gives back what seal was given", () => {
  assert.deepEqual(unseal(seal(SECRETS, "run-1", KEY), "run-1", KEY), SECRETS);
});

test("seal shows nothing of the secrets, and nothing of whether they are the same", () => {
  const sealed = seal(SECRETS, "run-1", KEY);
  const bytes = Buffer.from(sealed.slice(3), "base64").toString("latin1");
  assert.ok(!sealed.includes("s3cr3t") && !bytes.includes("s3cr3t") && !bytes.includes("TOKEN"));
  assert.notEqual(seal(SECRETS, "run-1", KEY), sealed);
});

test("unseal refuses another key, another run, and a text that was changed", () => {
  const sealed = seal(SECRETS, "run-1", KEY);
  const changed = `${sealed.slice(0, 60)}${sealed[60] === "A" ? "B" : "A"}${sealed.slice(61)}`;
  assert.throws(() => unseal(sealed, "run-1", randomBytes(32)), /Cannot unseal the secrets of run "run-1"/);
  assert.throws(() => unseal(sealed, "run-2", KEY), /Cannot unseal the secrets of run "run-2"/);
  assert.throws(() => unseal(changed, "run-1", KEY), /Cannot unseal/);
  for (const text of ["", "v1.", "v1.AAAA", sealed.slice(0, 30), `v2.${sealed.slice(3)}`]) {
    assert.throws(() => unseal(text, "run-1", KEY), /Cannot unseal/);
  }
});
