import assert from "node:assert/strict";
import { containerStart } from "../../drivers/container-start.ts";
import { startFakeRegistry } from "../docker/fake-registry.ts";
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
