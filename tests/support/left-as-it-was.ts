import assert from "node:assert/strict";
import { openNats } from "../../lib/backend/nats/transport.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import type { Place } from "./start-run.ts";
import { dockerObjects, objectsOf, testDocker } from "./step-context.ts";

/** Does the work, and asserts that this place's runs leave nothing on the machine's daemon. */
export async function leavesNothing(place: Place, work: (docker: Docker) => Promise<void>): Promise<void> {
  await using docker = testDocker();
  await work(docker);
  assert.deepEqual(await place.objects(), []);
}

/**
 * Returns the names of the containers, volumes and networks of this broker's drivers on the machine's daemon.
 */
export async function objectsOfBroker(url: string): Promise<string[]> {
  await using transport = await openNats({ servers: [url] });
  return await objectsOf((await transport.owner()).owner);
}

/**
 * Does the work, and asserts that the lists of all containers, volumes and networks of a private daemon are
 * as before.
 */
export async function leftAsItWas(socketPath: string, work: () => Promise<void>): Promise<void> {
  await using docker = testDocker(socketPath);
  const before = await dockerObjects(docker);
  await work();
  assert.deepEqual(await dockerObjects(docker), before);
}
