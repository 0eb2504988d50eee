import assert from "node:assert/strict";
import { startFakeRegistry } from "./fake-registry.ts";
import { askDaemon, realDocker } from "./real-docker.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

test("pull gets an image from its registry and says how it goes on", async () => {
  await using registry = await startFakeRegistry({ user: "builder" });
  await using docker = realDocker();
  const image = `${registry.host}/conveyor-test/image:here`;
  const lines: string[] = [];
  assert.equal(await docker.inspectImage(image), undefined);
  await docker.pull(image, { onProgress: ({ text }) => lines.push(text) });
  try {
    assert.equal((await docker.inspectImage(image))?.user, "builder");
    assert.ok(lines.includes("here: Pulling from conveyor-test/image"), lines.join("\n"));
    assert.ok(lines.some((line) => /^[0-9a-f]{12}: Pull complete$/.test(line)), lines.join("\n"));
    assert.ok(lines.some((line) => /^Digest: sha256:/.test(line)), lines.join("\n"));

    const digest = /sha256:[0-9a-f]{64}/.exec(lines.join("\n"))?.[0];
    const byDigest = `${registry.host}/conveyor-test/image@${digest}`;
    await docker.pull(byDigest);
    assert.equal((await docker.inspectImage(byDigest))?.id, (await docker.inspectImage(image))?.id);
  } finally {
    await askDaemon("DELETE", `/images/${image}`);
  }
  assert.equal(await docker.inspectImage(image), undefined);
});

test("pull fails with 404 for an image that the registry does not have", async () => {
  await using registry = await startFakeRegistry();
  await using docker = realDocker();
  await assert.rejects(docker.pull(`${registry.host}/conveyor-test/image:other`), {
    name: "DockerError",
    status: 404,
    message: /manifest for 127\.0\.0\.1:\d+\/conveyor-test\/image:other not found/,
  });
});

test("pull fails with the daemon's words where nobody listens", async () => {
  const registry = await startFakeRegistry();
  await registry[Symbol.asyncDispose]();
  await using docker = realDocker();
  await assert.rejects(docker.pull(`${registry.host}/conveyor-test/image`), {
    name: "DockerError",
    message: /connection refused/,
  });
});

test("pull uses the login it is given, and is refused without", async () => {
  const login = { username: "me", password: "p:ä/ß?" };
  await using registry = await startFakeRegistry({ login });
  await using docker = realDocker();
  const image = `${registry.host}/conveyor-test/image:here`;
  await assert.rejects(docker.pull(image), { name: "DockerError", message: /no basic auth credentials/ });
  const wrong = { ...login, password: "wrong", serverAddress: registry.host };
  await assert.rejects(docker.pull(image, { login: wrong }), { name: "DockerError" });
  assert.equal(await docker.inspectImage(image), undefined);
  await docker.pull(image, { login: { ...login, serverAddress: registry.host } });
  try {
    assert.ok(await docker.inspectImage(image));
  } finally {
    await askDaemon("DELETE", `/images/${image}`);
  }
});

test("pull refuses a name that is none before it asks the daemon", async () => {
  await using docker = realDocker();
  await assert.rejects(docker.pull("Not An Image"), { name: "InputError", message: /"Not An Image"/ });
});
