import assert from "node:assert/strict";
import type { Docker } from "../../lib/docker/docker.ts";
import { dockerObjects, testDocker } from "./step-context.ts";

/** Does the work, after which the lists of all containers, volumes and networks of the daemon are what they were. */
export async function leftAsItWas(work: (docker: Docker) => Promise<void>): Promise<void> {
  await using docker = testDocker();
  const before = await dockerObjects(docker);
  await work(docker);
  assert.deepEqual(await dockerObjects(docker), before);
}
