import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:https";
import { networkInterfaces } from "node:os";
import { containerStart } from "../../drivers/container-start.ts";
import { startFakeRegistry } from "../docker/fake-registry.ts";
import { TEST_IMAGE } from "../support/test-image.ts";
import { build } from "./build.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

/** Why an image cannot be had. */
async function reasonFor(image: string): Promise<string | undefined> {
  let reason: string | undefined;
  await build({ image }, async ({ step }) => {
    reason = (await step(containerStart)).failure?.reason;
  });
  return reason;
}

test("container-start says image-not-found where the registry does, whatever words are in the image's name", async () => {
  await using registry = await startFakeRegistry();
  for (const name of ["app", "denied/unauthorized", "authentication-required/denied"]) {
    assert.equal(await reasonFor(`${registry.host}/${name}:other`), "image-not-found", name);
  }
});

test("container-start says image-pull-failed where the registry gives no access, or answers nothing", async () => {
  const registry = await startFakeRegistry({ refusal: { status: 403, code: "DENIED" } });
  try {
    assert.equal(await reasonFor(`${registry.host}/app:other`), "image-pull-failed");
  } finally {
    await registry[Symbol.asyncDispose]();
  }
  assert.equal(await reasonFor(`${registry.host}/not/found:other`), "image-pull-failed");
});

test("container-start says what Docker needs where a registry's certificate is one of a private authority", async () => {
  // Docker believes any certificate of a registry on loopback.
  const { address } = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal) ?? {};
  assert.ok(address);
  const server = createServer(certificateOf(address));
  try {
    server.listen(0, address);
    await once(server, "listening");
    const at = server.address();
    const host = `${address}:${typeof at === "object" ? at?.port : ""}`;
    await build({ image: `${host}/app:other` }, async ({ step }) => {
      const { failure } = await step(containerStart);
      assert.equal(failure?.reason, "image-pull-failed");
      assert.match(failure?.message ?? "", /x509/);
      assert.ok(
        failure?.message.includes(
          `put the authority's certificate into /etc/docker/certs.d/${host}/ca.crt where`,
        ),
        failure?.message,
      );
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

/** A certificate for an address, signed by itself. */
function certificateOf(address: string): { key: string; cert: string } {
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const named = ["-subj", "/CN=private", "-addext", `subjectAltName=IP:${address}`];
  const request = [
    "openssl",
    "req",
    "-x509",
    ...made,
    ...named,
    "-keyout",
    "/dev/stdout",
    "-out",
    "/dev/stdout",
  ];
  const both = execFileSync("docker", ["run", "--rm", "--network", "none", TEST_IMAGE, ...request], {
    encoding: "utf8",
    stdio: "pipe",
  });
  return { key: both, cert: both };
}
