import assert from "node:assert/strict";
import type { Docker } from "../../lib/docker/docker.ts";
import { DOCKER_SOCKET, dockerObjects, testDocker } from "./step-context.ts";

/**
 * Does the work, after which the lists of all containers, volumes and networks of the daemon are what they were: of the
 * machine's, or of another one.
 */
export async function leftAsItWas(
  work: (docker: Docker) => Promise<void>,
  { socketPath = DOCKER_SOCKET }: { socketPath?: string } = {},
): Promise<void> {
  await using docker = testDocker(socketPath);
  const before = await dockerObjects(docker);
  await work(docker);
  assert.deepEqual(await dockerObjects(docker), before);
}
