import { randomUUID } from "node:crypto";
import process from "node:process";
import type { ContainerSpec, Docker, ExecSpec } from "../../lib/docker/docker.ts";
import { connectDocker } from "../../lib/docker/dockerode.ts";
import type { DockerEndpoint } from "../../lib/docker/endpoint.ts";
import type { Call } from "../../lib/docker/encode-call.ts";
import { openModem } from "../../lib/docker/modem.ts";
import { TEST_IMAGE } from "../support/test-image.ts";

export { TEST_IMAGE };

const socketPath = (process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock").replace(/^unix:\/\//, "");
const ENDPOINT: DockerEndpoint = { name: `unix://${socketPath}`, socketPath };

/** The machine's daemon. */
export const realDocker = (): Docker => connectDocker(ENDPOINT);

/** Asks the daemon what our contract has no word for. */
export async function askDaemon(method: string, path: string): Promise<Record<string, unknown>> {
  const modem = openModem(ENDPOINT);
  const call: Call = { method, path, statusCodes: { 200: true, 204: true } };
  try {
    return await new Promise((resolve, reject) =>
      modem.dial(call, (error, answer) => error ? reject(error) : resolve(answer as Record<string, unknown>))
    );
  } finally {
    modem.close();
  }
}

/** Removes a container as `docker rm -f` does: its volumes stay. */
export async function removeByHand(container: string): Promise<void> {
  await askDaemon("DELETE", `/containers/${container}?force=1`);
}

/** A label that nothing else has. */
export const uniqueLabel = (): Record<string, string> => ({ "conveyor.test": randomUUID() });

/** A container that does nothing and ends at once when it is told to. */
export function idleSpec(given: Partial<ContainerSpec> = {}): ContainerSpec {
  const labels = given.labels ?? uniqueLabel();
  return {
    name: `conveyor-test-${randomUUID()}`,
    image: TEST_IMAGE,
    labels,
    entrypoint: ["/bin/sh", "-c"],
    command: ["exec sleep 3600"],
    env: {},
    workdir: "/workspace",
    volume: { target: "/workspace", labels },
    network: "none",
    capabilities: ["CHOWN", "KILL"],
    privileged: false,
    pids: 200,
    memory: 256 * 1024 ** 2,
    ...given,
  };
}

/** Works with a running container, of which nothing is left afterwards. */
export async function inContainer(
  work: (docker: Docker, container: string) => Promise<void>,
  given: Partial<ContainerSpec> = {},
): Promise<void> {
  await using docker = realDocker();
  const container = await docker.create(idleSpec(given));
  try {
    await docker.start(container);
    await work(docker, container);
  } finally {
    await docker.remove(container);
  }
}

/** Runs a command to its end. */
export async function run(
  docker: Docker,
  container: string,
  command: string | readonly string[],
  spec: Omit<ExecSpec, "command"> = {},
): Promise<{ stdout: Buffer; stderr: Buffer; exitCode: number | undefined }> {
  const words = typeof command === "string" ? ["/bin/sh", "-c", command] : command;
  const exec = await docker.exec(container, { command: words, ...spec });
  const output = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  for await (const { stream, data } of exec.output) output[stream].push(data);
  let exitCode = await exec.exitCode();
  // The daemon closes the output a moment before it knows.
  while (exitCode === undefined) exitCode = await exec.exitCode();
  return { stdout: Buffer.concat(output.stdout), stderr: Buffer.concat(output.stderr), exitCode };
}

export { until } from "../support/until.ts";
