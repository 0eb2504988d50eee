import { StepFailure } from "../../base/errors.ts";
import { delay } from "../../base/signals.ts";
import { timeoutSignal } from "../../base/timers.ts";
import { formatDuration, formatSize } from "../../base/units.ts";
import { type ContainerInfo, type ContainerSpec, DockerError } from "../../docker/docker.ts";
import { capture } from "../../driver/work/exec.ts";
import { CAPABILITIES } from "../capabilities.ts";
import { provideImage } from "../image.ts";
import { LABELS, serviceName } from "../labels.ts";
import type { Plan, PlannedService } from "../plan.ts";
import type { BuildContext } from "../policy.ts";
import { listeningPorts } from "./listening.ts";
import { logService } from "./log.ts";
import { waitOf } from "./spec.ts";

/** Between two looks whether a service is healthy, milliseconds: the first and the longest. */
const FIRST_LOOK_MS = 100;
const LAST_LOOK_MS = 1000;
const HEALTH = "its health command";
const HEALTH_HANGS = `${HEALTH} did not end`;
const PORTS_HANG = "the look at its ports did not end";
/** Most characters of what a health command says, in the message. */
const MOST_SAID = 200;

/** Memory of all services of a plan together, bytes. */
export const servicesMemory = ({ services }: Pick<Plan, "services">): number =>
  services.reduce((sum, { limits }) => sum + limits.memory, 0);

/** Pulls the images of a plan's services. Throws as `provideImage` does. */
export async function provideServiceImages(context: BuildContext, { spec }: Plan): Promise<void> {
  for (const image of new Set(spec.services.map(({ image }) => image))) {
    await provideImage(context, { ...spec, image });
  }
}

/**
 * Starts a plan's services in the network of its build, and returns once all are healthy: their command exits
 * with 0, and something listens on each of their ports. Throws StepFailure `service-failed`, after what the
 * service printed is in the log.
 */
export async function startServices(
  context: BuildContext,
  { services }: Plan,
  given: { network: string; labels: Readonly<Record<string, string>> },
): Promise<void> {
  // One that fails ends the waiting for the others, and none of them goes on after this step.
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, failed.signal]);
  const starting = services.map((service) =>
    start({ ...context, signal }, service, given).catch((error) => failed.abort(error))
  );
  await Promise.all(starting);
  context.signal.throwIfAborted();
  failed.signal.throwIfAborted();
}

async function start(
  context: BuildContext,
  service: PlannedService,
  given: { network: string; labels: Readonly<Record<string, string>> },
): Promise<void> {
  const { docker, run, log, signal } = context;
  const { name, image, limits } = service;
  const container = serviceName(run, name);
  const began = performance.now();
  try {
    // The daemon completes a call that we abort: the container would appear after the cleanup.
    const spec = containerSpec(context, service, given);
    const id = await context.cleanup((signal) => docker.create({ ...spec, name: container }, { signal }));
    await docker.start(id, { signal });
    const why = await waitUntilHealthy(context, id, service);
    if (why !== undefined) {
      await logService(context, { id, name: container });
      throw new StepFailure(`The service "${name}" ${why}`, { reason: "service-failed" });
    }
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    throw new StepFailure(`Cannot start the service "${name}": ${error.message}`, {
      reason: "service-failed",
      cause: error,
    });
  }
  await log.line(
    `Service ${name}: image ${image}, memory ${
      formatSize(limits.memory)
    }, pids ${limits.pids}, healthy after ${formatDuration(performance.now() - began)}`,
  );
}

function containerSpec(
  { secrets }: BuildContext,
  { name, image, command, env, limits: { cpus, memory, pids } }: PlannedService,
  { network, labels }: { network: string; labels: Readonly<Record<string, string>> },
): Omit<ContainerSpec, "name"> {
  return {
    image,
    labels: { ...labels, [LABELS.kind]: "service", [LABELS.memory]: String(memory), [LABELS.user]: "" },
    ...command && { command },
    env: Object.fromEntries(
      env.map((entry) => [entry.name, "value" in entry ? entry.value : secrets[entry.secret] ?? ""]),
    ),
    network,
    aliases: [name],
    keepsLog: true,
    capabilities: CAPABILITIES,
    privileged: false,
    pids,
    memory,
    ...cpus !== undefined && { cpus },
  };
}

/** Waits until a service is healthy. Returns why it is not, if it ends or takes too long. */
async function waitUntilHealthy(
  context: BuildContext,
  id: string,
  service: PlannedService,
): Promise<string | undefined> {
  const { docker, signal } = context;
  const waitMs = waitOf(service);
  const within = AbortSignal.any([signal, timeoutSignal(waitMs)]);
  let said: string | undefined;
  for (let pause = FIRST_LOOK_MS;; pause = Math.min(pause * 1.5, LAST_LOOK_MS)) {
    const found = await docker.inspect(id, { signal });
    if (found?.state !== "running") return `ended before it was healthy${howItEnded(found, service)}`;
    const lack = await whatIsLacking({ ...context, signal: within }, id, service);
    signal.throwIfAborted();
    if (lack === undefined) return undefined;
    // A look that the deadline has cut off says less than a whole one before it.
    const saysMore = said !== undefined && (lack === PORTS_HANG || said.startsWith(HEALTH));
    if (!within.aborted || !saysMore) said = lack;
    await delay(pause, { signal: within }).catch(() => signal.throwIfAborted());
    if (within.aborted) return `was not healthy within ${formatDuration(waitMs)}: ${said}`;
  }
}

function howItEnded(found: ContainerInfo | undefined, { limits }: PlannedService): string {
  if (!found?.end) return "";
  const { exitCode, isOutOfMemory } = found.end;
  return isOutOfMemory
    ? `: it needs more memory than its ${formatSize(limits.memory)}`
    : `: it exited with ${exitCode}`;
}

/** `context.signal`: fires at the deadline for the service, or when the step is told to stop. */
async function whatIsLacking(
  context: BuildContext,
  id: string,
  { health, ports }: PlannedService,
): Promise<string | undefined> {
  let hangs = PORTS_HANG;
  try {
    const listening = ports.length === 0 ? new Set<number>() : await listeningPorts(context, id);
    const closed = ports.find((port) => !listening.has(port));
    if (closed !== undefined) return `nothing listens on port ${closed}`;
    if (health === undefined) return undefined;
    hangs = HEALTH_HANGS;
    const command = typeof health.command === "string" ? ["/bin/sh", "-c", health.command] : health.command;
    const { exitCode, stderr, stdout } = await capture(context, id, { command });
    if (exitCode === 0) return undefined;
    const said = (stderr.trim() || stdout.trim()).split("\n").at(-1)?.slice(0, MOST_SAID) ?? "";
    return `${HEALTH} exited with ${exitCode}${said === "" ? "" : `: ${said}`}`;
  } catch (error) {
    if (context.signal.aborted) return hangs;
    // It may have ended in between, which the next look shows.
    if (!(error instanceof DockerError)) throw error;
    return error.message;
  }
}
