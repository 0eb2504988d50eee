import assert from "node:assert/strict";
import { join } from "node:path";
import { needing } from "../support/needs.ts";
import { TEST_IMAGE } from "../support/test-image.ts";
import { AS_UNKNOWN_USER, noUnknownUser } from "../support/unknown-user.ts";
import { makeRepository } from "./git-repository.ts";
import { CACHES, root, runtime, startProgram, temporaryFolder } from "./start-program.ts";

const { test } = needing("Docker", noUnknownUser);

/** Types a line as that user, without HOME. */
function type(program: string, ...rest: string[]) {
  const [command = "", ...before] = AS_UNKNOWN_USER;
  const { DOCKER_HOST } = process.env;
  const env = { CONVEYOR_RUNTIME: runtime, HOME: undefined, XDG_CACHE_HOME: CACHES, DOCKER_HOST };
  return startProgram(command, [...before, join(root, "bin", program), ...rest], { env });
}

test("without a home folder a build needs no more than --data, and says so", async () => {
  await using folder = await temporaryFolder();
  const repo = join(folder.path, "repo");
  makeRepository(repo, { a: "a" });
  const build = ["run", repo, "--image", TEST_IMAGE, "--pull", "never"];
  const data = ["--data", join(folder.path, "data")];
  for (const words of [[...build, "--", "true"], ["runs"], ["gc"]]) {
    const { code, stderr } = await type("flutter-ci", ...words).ended;
    assert.equal(code, 3, stderr);
    assert.match(stderr, /no home folder\nSet HOME, or name a folder with --data\.\n$/, words.join(" "));
  }
  const built = await type("flutter-ci", ...build, ...data, "--", "true").ended;
  assert.equal(built.code, 0, built.stderr);
});

test("doctor without a home folder goes on after saying so, and a driver needs none", async () => {
  const doctor = await type("flutter-ci", "doctor").ended;
  const said = /^FAIL data folder: .*no home folder\n(.*\n)*ok +Docker: (.*\n)*FAIL control plane: .*no home/;
  assert.match(doctor.stdout, said);
  assert.equal(doctor.code, 3, doctor.stderr);
  await using driver = type("builder", "--nats", "nats://127.0.0.1:1");
  await driver.said("Waiting for the broker");
});
