import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { requestOfPast } from "../../lib/cli/shared/request/past-request.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { git, makeRepository } from "./git-repository.ts";

const PIPELINE = { name: "line", resource: "flutter-builder", steps: [] };
const REPOSITORY = "https://git.example.com/app.git";

/** A public key of nobody. */
const KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJx6v0vGm9JXv1Z0c7qC9n6H5Y1N3p2T8b4L7k0W9eQd";

/** The request to do a build with this spec again. */
const again = (spec: object, environment = {}, options = {}) =>
  requestOfPast(
    { run: "r", name: "app", spec: { repository: REPOSITORY, ...spec }, pipeline: PIPELINE },
    environment,
    {},
    options,
  );

test("an earlier build is asked for as it was, with what its own command line had allowed it", async () => {
  const spec = {
    image: "gcc:14",
    network: "lan",
    limits: { pids: 5000 },
    env: [{ name: "A", valueFrom: "SHOWN" }],
    secrets: ["KEY"],
  };
  const environment = { SHOWN: "s", KEY: "hunter2-hunter2" };
  const request = await again(spec, environment);
  assert.deepEqual(request.resource.spec, { repository: REPOSITORY, ...spec });
  assert.deepEqual([request.resource.name, request.resource.pipeline], ["app", "line"]);
  assert.deepEqual([request.allowNetworks, request.allowEnv], [["lan"], ["SHOWN"]]);
  assert.equal(request.plan.spec.limits.pids, 5000);
  assert.deepEqual(request.secrets, { KEY: "hunter2-hunter2" });
  assert.equal(request.local, undefined);
  const other = await again(spec, environment);
  assert.notEqual(other.resource.id, request.resource.id);
});

test("an image that an earlier build named for itself gets no credentials, and the usual one does", async () => {
  assert.deepEqual((await again({ image: "gcc:14" })).trustedImages, []);
  const usual = await again({});
  assert.deepEqual(usual.trustedImages, [usual.plan.spec.image]);
});

test("an earlier build is not done again with rights, or with a secret that is missing or stands in its spec", async () => {
  const refused = async (spec: object, environment = {}) => {
    const error = await again(spec, environment).catch((error: Error) => error);
    assert.ok(error instanceof InputError, String(error));
    return error.message;
  };
  assert.match(await refused({ privileged: true }), /^spec\.privileged: /);
  assert.match(await refused({ secrets: ["KEY"] }), /Cannot take the secret "KEY"/);
  const spelled = { secrets: ["KEY"], commands: ["curl -H hunter2"] };
  assert.match(await refused(spelled, { KEY: "hunter2" }), /The value of the secret "KEY" stands in it/);
  assert.match(await refused({ limits: 7 }), /^spec\.limits: /);
  assert.match(await refused({ limits: { pids: "many" } }), /^spec\.limits\.pids: /);
});

test("an earlier build is done again with other signers where the command line names them", async () => {
  const asked = async (spec: object, verifySignatures?: string) =>
    (await again(spec, {}, { verifySignatures })).resource.spec as { verifySignatures?: string };
  const [one, two] = ["one", "two"].map((name) => `${name}@example.org ssh-ed25519 ${KEY}`);
  assert.equal((await asked({ verifySignatures: one })).verifySignatures, one);
  assert.equal((await asked({ verifySignatures: one }, two)).verifySignatures, two);
  assert.equal("verifySignatures" in await asked({}), false);
});

test("an earlier build of a folder is done again with what is committed there now", async () => {
  await using folder = await temporaryFolder();
  const repository = join(folder.path, "app");
  makeRepository(repository, { "a.txt": "a" });
  const request = await again({ repository, image: "gcc:14", commands: ["make"] });
  const commit = git(repository, "rev-parse", "HEAD").trim();
  assert.deepEqual(request.local?.commit, { repository, commit, ref: "refs/heads/main" });
});
