import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { checkTlsFiles } from "../../lib/backend/nats/tls.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Made with openssl, valid from 2020 to 2120; the keys open nothing but these tests. */
const FILES = join(import.meta.dirname ?? "", "nats-tls");
const ca = join(FILES, "ca.pem");
const cert = join(FILES, "client.pem");
const key = join(FILES, "client.key");
const otherKey = join(FILES, "other.key");
const NOW = Date.UTC(2030, 0, 1);

const refused = (message: RegExp) => ({ name: "InputError", message });

test("checkTlsFiles takes an authority, a certificate and its key", async () => {
  await checkTlsFiles({ ca, cert, key }, NOW);
  await checkTlsFiles({ ca }, NOW);
  await checkTlsFiles({}, NOW);
});

test("checkTlsFiles names a file that cannot be read", async () => {
  const missing = join(FILES, "missing.pem");
  const named = refused(/^Cannot read TLS (authority|certificate|key) ".*missing\.pem"$/);
  await assert.rejects(checkTlsFiles({ ca: missing }, NOW), named);
  await assert.rejects(checkTlsFiles({ cert: missing, key }, NOW), named);
  await assert.rejects(checkTlsFiles({ cert, key: missing }, NOW), named);
});

test("checkTlsFiles names a file that is of another kind, or damaged", async () => {
  await using folder = await temporaryFolder();
  const damagedKey = join(folder.path, "damaged.key");
  await writeFile(damagedKey, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
  const damagedCert = join(folder.path, "damaged.pem");
  await writeFile(damagedCert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const lockedKey = join(folder.path, "locked.key");
  await writeFile(
    lockedKey,
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
  );

  await assert.rejects(
    checkTlsFiles({ ca: key }, NOW),
    refused(/authority ".*client\.key" is not a certificate/),
  );
  await assert.rejects(
    checkTlsFiles({ cert: key, key }, NOW),
    refused(/certificate ".*client\.key" is not a/),
  );
  await assert.rejects(checkTlsFiles({ cert, key: cert }, NOW), refused(/key ".*client\.pem" is not a key/));
  await assert.rejects(
    checkTlsFiles({ cert, key: damagedKey }, NOW),
    refused(/key ".*damaged\.key" cannot be parsed/),
  );
  await assert.rejects(
    checkTlsFiles({ ca: damagedCert }, NOW),
    refused(/authority ".*damaged\.pem" cannot be/),
  );
  await assert.rejects(
    checkTlsFiles({ cert, key: lockedKey }, NOW),
    refused(/key ".*locked\.key" is encrypted/),
  );
});

test("checkTlsFiles names a key that does not match its certificate, and one given without the other", async () => {
  await assert.rejects(
    checkTlsFiles({ cert, key: otherKey }, NOW),
    refused(/key ".*other\.key" does not match the certificate ".*client\.pem"/),
  );
  await assert.rejects(checkTlsFiles({ cert }, NOW), refused(/certificate ".*" was given without its key/));
  await assert.rejects(checkTlsFiles({ key }, NOW), refused(/key ".*" was given without its certificate/));
});

test("checkTlsFiles names a certificate that has expired, or is not valid yet", async () => {
  const late = Date.UTC(2200, 0, 1);
  const early = Date.UTC(2010, 0, 1);
  await assert.rejects(checkTlsFiles({ ca }, late), refused(/authority ".*ca\.pem" expired on 2120-01-01$/));
  await assert.rejects(checkTlsFiles({ cert, key }, late), refused(/certificate ".*client\.pem" expired on/));
  await assert.rejects(
    checkTlsFiles({ cert, key }, early),
    refused(/".*client\.pem" is not valid before 2020-01-01$/),
  );
});
