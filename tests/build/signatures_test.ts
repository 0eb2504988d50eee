import assert from "node:assert/strict";
import { test } from "node:test";
import { readSigners } from "../../lib/build/signatures/flag.ts";
import { parseSigners } from "../../lib/build/signatures/parse.ts";
import { planBuild, PlanError } from "../../lib/build/plan.ts";
import { testPolicy, testSettings } from "../support/settings.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKxf9cmfyqhCjU1rlgIvHLNmCh4ZdD8gk0RfWJ1mLl2t";
const LINE = `alice@example.org,*@example.org namespaces="git" ${KEY} of hers`;
const ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";

test("parseSigners tells ssh's allowed signers from OpenPGP keys, and passes over comments", () => {
  assert.deepEqual(parseSigners(`# ours\r\n\r\n${LINE}\r\n${ARMOR}bob ${KEY}\n`), {
    ssh: `${LINE}\nbob ${KEY}\n`,
    openpgp: ARMOR,
  });
});

test("parseSigners refuses what is no key that signs, and says what it is", () => {
  const refusals: [text: string, message: RegExp][] = [
    ["", /^It has no key$/],
    ["# nobody\n", /^It has no key$/],
    [`${LINE}\n${KEY}\n`, /^Line 2 has a key and not whose it is: expected NAME ssh-ed25519 AAAAC3NzaC1l…$/],
    ["alice@example.org ssh-ed25519\n", /^Line 1 is no allowed signer: expected NAME ssh-ed25519 AAAA…/],
    ["alice@example.org ssh-ed25519 ABCD\n", /^Line 1 is no allowed signer/],
    [ARMOR.replaceAll("PUBLIC", "PRIVATE"), /a private key in it/],
    [ARMOR.replaceAll("PGP PUBLIC KEY BLOCK", "OPENSSH PRIVATE KEY"), /a private key in it/],
    [ARMOR.replaceAll("PUBLIC KEY BLOCK", "SIGNATURE"), /^It has a block "PGP SIGNATURE"/],
    [ARMOR.replace(/-----END.*/, ""), /cut off/],
    [`${LINE}\n`.repeat(2000), /^It is larger than 128 KiB/],
  ];
  for (const [text, message] of refusals) {
    assert.throws(() => parseSigners(text), { name: "InputError", message }, text.slice(0, 80));
  }
});

test("a working tree is not built where its commit needs a signature", async () => {
  const allowed = { ...testSettings(), ...testPolicy() };
  const refusal = (spec: object, signers?: string) => {
    try {
      planBuild({ repository: ".", dirty: true, ...spec }, {
        ...allowed,
        ...signers !== undefined && { signers: parseSigners(signers) },
      });
      return "";
    } catch (error) {
      return error instanceof PlanError ? error.message : String(error);
    }
  };
  assert.equal(refusal({}), "");
  assert.match(refusal({ verifySignatures: LINE }), /^spec\.dirty: A working tree has no signature/);
  assert.match(refusal({}, LINE), /^spec\.dirty: A working tree has no signature/);
  assert.match(refusal({ verifySignatures: "x" }), /^spec\.verifySignatures: Line 1 is no allowed signer/);
  await assert.rejects(
    readSigners({ verifySignatures: "/dev/null" }),
    /^InputError: --verify-signatures: The file "\/dev\/null" is empty/,
  );
});
