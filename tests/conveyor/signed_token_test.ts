import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { signedToken } from "../../lib/driver/conveyor/signed-token.ts";
import { refusal } from "../support/conveyor/auth.ts";

const NOW = Date.parse("2026-05-02T12:00:00.900Z");

const pki = (name: string): string => fileURLToPath(new URL(`pki/${name}`, import.meta.url));

async function identity(name: string): Promise<{ cert: string; key: string }> {
  const [cert, key] = await Promise.all([
    readFile(pki(`${name}.pem`), "utf8"),
    readFile(pki(`${name}.key`), "utf8"),
  ]);
  return { cert, key };
}

function partsOf(token: string) {
  const [head = "", claims = ""] = token.split(".").map((part) => Buffer.from(part, "base64url").toString());
  return { head, claims };
}

for (
  const [name, alg, certificates] of [["rs256", "RS256", 1], ["es256", "ES256", 2], ["es384", "ES384", 1], [
    "es512",
    "ES512",
    1,
  ]] as const
) {
  test(`signedToken makes an ${alg} token of such a key, which the server accepts with its whole chain`, async () => {
    const token = signedToken(await identity(name), NOW);
    const { alg: said, x5c } = JSON.parse(partsOf(token).head);
    assert.deepEqual([said, x5c.length], [alg, certificates]);
    const ca = await readFile(pki("ca.pem"), "utf8");
    assert.equal(refusal(`Bearer ${token}`, ca, NOW), undefined);
  });
}

test("signedToken writes header and claims as Conveyor's own SDK does, whole seconds in the order of its keys", async () => {
  const { head, claims } = partsOf(signedToken(await identity("rs256"), NOW));
  assert.match(head, /^\{"alg":"RS256","typ":"JWT","x5c":\["[A-Za-z0-9+/=]+"\]\}$/);
  assert.match(claims, /^\{"cnf":\{"x5t#S256":"[\w-]{43}"\},"exp":\d+,"iat":\d+\}$/);
});

test("signedToken is good for two minutes, and for a server whose clock is a minute behind", async () => {
  const token = `Bearer ${signedToken(await identity("es256"), NOW)}`;
  const ca = await readFile(pki("ca.pem"), "utf8");
  assert.equal(refusal(token, ca, NOW - 59_000), undefined);
  assert.equal(refusal(token, ca, NOW - 62_000), "token issued in the future");
  assert.equal(refusal(token, ca, NOW + 119_000), undefined);
  assert.equal(refusal(token, ca, NOW + 121_000), "invalid token");
});

test("signedToken of a stranger, or with a key that is not the certificate's, is refused by the server", async () => {
  const ca = await readFile(pki("ca.pem"), "utf8");
  const stranger = await identity("stranger");
  assert.equal(refusal(`Bearer ${signedToken(stranger, NOW)}`, ca, NOW), "invalid token");
  const { cert } = await identity("es256");
  assert.equal(refusal(`Bearer ${signedToken({ cert, key: stranger.key }, NOW)}`, ca, NOW), "invalid token");
});

test("signedToken refuses what is no certificate, no key, or a key of a kind that the server does not know", async () => {
  const { cert, key } = await identity("es256");
  const { privateKey } = generateKeyPairSync("ed25519");
  const ed25519 = String(privateKey.export({ type: "pkcs8", format: "pem" }));
  assert.throws(
    () => signedToken({ cert: "nothing", key }, NOW),
    /InputError.*expected a certificate in PEM/,
  );
  assert.throws(
    () => signedToken({ cert, key: "nothing" }, NOW),
    /InputError.*expected a private key in PEM/,
  );
  assert.throws(
    () => signedToken({ cert, key: ed25519 }, NOW),
    /InputError.*key of kind "ed25519": expected RSA, or EC on P-256, P-384 or P-521/,
  );
});
