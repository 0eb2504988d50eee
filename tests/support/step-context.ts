import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { withDeadline } from "../../lib/base/signals.ts";
import { LABELS } from "../../lib/build/labels.ts";
import { connectDocker } from "../../lib/docker/dockerode.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import type { BuildContext } from "../../lib/build/policy.ts";
import { maskOf } from "../../lib/driver/log/mask/mask.ts";
import { openStepLog } from "../../lib/driver/log/step-log.ts";
import type { StepLog } from "../../lib/driver/driver.ts";
import { testPolicy, testSettings } from "./settings.ts";
import { TEST_IMAGE } from "./test-image.ts";
import { turns } from "./until.ts";

export { TEST_IMAGE };

/** Returns a name for a test's own image, in the test image's repository. */
export const ownImageName = (): string => `${TEST_IMAGE.split(":")[0]}:test-${randomUUID().slice(0, 8)}`;

/** The socket of the machine's daemon. */
export const DOCKER_SOCKET = (process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock").replace(
  "unix://",
  "",
);

/** Connects to the machine's daemon, or to another one. */
export function testDocker(socketPath = DOCKER_SOCKET): Docker {
  return connectDocker({ name: `unix://${socketPath}`, socketPath });
}

export interface StepContext extends BuildContext {
  /** The step's log so far: `<stream> <line>`. */
  lines(): Promise<string[]>;
  readonly artifacts: Map<string, Buffer>;
}

/** A resource of the build drivers with this spec. */
export const resourceOf = (spec: unknown): BuildContext["resource"] => (
  { id: "r", name: "app", pipeline: "p", resource: "flutter-builder", metadata: {}, spec }
);

/** Makes a step's context with a real daemon, and a real log that ends in memory. */
export function stepContext(docker: Docker, spec: unknown, given: Partial<BuildContext> = {}): StepContext {
  const run = given.run ?? randomUUID();
  const stored: string[] = [];
  const stepLog = openStepLog({
    fields: { run, driver: "test", step: "test" },
    mask: maskOf(given.secrets ?? {}),
    maxBytes: 1024 ** 3,
    store: async (batches) => {
      // As over a broker: what was not waited for is not there yet.
      await turns(1);
      const texts = batches.flatMap(({ data }) => Buffer.from(data).toString("utf8").trimEnd().split("\n"));
      for (const text of texts) {
        const { stream, message } = JSON.parse(text);
        stored.push(`${stream} ${message}`);
      }
    },
  });
  const { log, open } = waitedFor(stepLog);
  const artifacts = new Map<string, Buffer>();
  return {
    resource: resourceOf(spec),
    payload: JSON.stringify({ spec }),
    event: "create",
    run,
    step: "test",
    attempt: 1,
    claimed: true,
    deadline: undefined,
    signal: new AbortController().signal,
    log,
    docker,
    results: {},
    secrets: {},
    settings: testSettings(),
    policy: testPolicy(),
    putArtifact: async (name, bytes) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of bytes) chunks.push(chunk);
      artifacts.set(name, Buffer.concat(chunks));
      return { size: Buffer.concat(chunks).length, sha256: "" };
    },
    cleanup: (work) => withDeadline(60_000, work),
    askRun: () => Promise.resolve(undefined),
    eventId: `${run}/test/1`,
    progress: undefined,
    keepProgress: () => Promise.resolve(),
    isOurs: () => Promise.resolve(true),
    faultPoint: () => {},
    ...given,
    async lines() {
      assert.deepEqual([...open], [], "what was said without waiting until it is in the log");
      await stepLog.finish();
      return stored;
    },
    artifacts,
  };
}

/** The same log with some time between what is said and its answer, and what was not answered yet. */
function waitedFor(log: StepLog): { log: StepLog; open: ReadonlySet<string> } {
  const open = new Set<string>();
  const later = async (what: string, written: Promise<void>) => {
    open.add(what);
    await turns(1);
    await written.finally(() => open.delete(what));
  };
  return {
    open,
    log: {
      line: (text) => later(text, log.line(text)),
      write: (stream, data) => log.write(stream, data),
      endLines: () => later("the end of the lines", log.endLines()),
      recent: (count) => log.recent(count),
    },
  };
}

/**
 * Returns the names of all containers, volumes and networks of the daemon, which a run must leave as they
 * were.
 */
export async function dockerObjects(docker: Docker): Promise<string[]> {
  const containers = (await docker.list({})).map(({ name }) => `container ${name}`);
  const volumes = (await docker.volumes({})).map(({ name }) => `volume ${name}`);
  const networks = (await docker.networks({})).map(({ name }) => `network ${name}`);
  return [...containers, ...volumes, ...networks].filter((text) => text !== "network conveyor").sort();
}

/** Returns the names of the containers, volumes and networks that an owner's runs have left. */
export const objectsOf = (owner: string): Promise<string[]> => labelled({ [LABELS.owner]: owner });

/** Removes what an owner's runs have left. A test that passes leaves nothing. */
export async function removeObjectsOf(owner: string): Promise<void> {
  await using docker = testDocker();
  const labels = { [LABELS.owner]: owner };
  for (const { id } of await docker.list(labels)) await docker.remove(id);
  for (const { name } of await docker.volumes(labels)) await docker.removeVolume(name);
  for (const { id } of await docker.networks(labels)) await docker.removeNetwork(id);
}

/** As `objectsOf`, of one run. */
export const objectsOfRun = (run: string): Promise<string[]> => labelled({ [LABELS.run]: run });

async function labelled(labels: Record<string, string>): Promise<string[]> {
  await using docker = testDocker();
  const [containers, volumes, networks] = await Promise.all([
    docker.list(labels),
    docker.volumes(labels),
    docker.networks(labels),
  ]);
  return [...containers, ...volumes, ...networks].map(({ name }) => name);
}
