import { StepFailure } from "../base/errors.ts";
import { formatSize } from "../base/units.ts";
import { type ContainerSpec, type DaemonInfo, DockerError, type ImageInfo } from "../docker/docker.ts";
import { type BuildContext, DEFAULT_PIDS } from "./policy.ts";
import { exec } from "../driver/work/exec.ts";
import { ownEnvironment, steeringVariables } from "../driver/work/own-environment.ts";
import { removeServices } from "./services/remove.ts";
import { servicesMemory, startServices } from "./services/start.ts";
import { CAPABILITIES } from "./capabilities.ts";
import { cacheLines } from "./cache/prepare.ts";
import { fillCaches } from "./cache/fill.ts";
import { type MountedCaches, withCaches } from "./cache/with-caches.ts";
import { idleScript, keepRunning } from "./keep-running.ts";
import { containerName, idleName, LABELS } from "./labels.ts";
import { provideNetwork } from "./network.ts";
import { type MemoryShare, memoryShare } from "./memory.ts";
import { type Plan, WORKSPACE } from "./plan.ts";
import { removeRun } from "./remove.ts";
import { startInTurn } from "./start-in-turn.ts";

/**
 * How long a container may outlive its run's timeout if all processes that knew of it were lost,
 * milliseconds.
 */
const SPARE_MS = 3_600_000;
const KEEP_MS = 24 * 3_600_000;

/** Removes what an earlier attempt left, then creates and starts the run's container. Returns its id. */
export async function startContainer(
  context: BuildContext,
  plan: Plan,
  image: ImageInfo,
  daemon: DaemonInfo,
): Promise<string> {
  const { spec } = plan;
  const lines = cacheLines(plan, context.policy);
  const { docker, run, settings: { owner }, signal } = context;
  signal.throwIfAborted();
  // A container whose build has begun no longer has the name that `create` takes, so it causes no conflict
  // there.
  if (await docker.inspect(containerName(run), { signal })) await clearEarlier(context);
  else if (lines.length + spec.services.length > 0 && await docker.inspect(idleName(run), { signal })) {
    await clearEarlier(context);
  }
  if (spec.services.length > 0) await removeServices(docker, { owner, run, signal });
  // The daemon completes a call that we abort: the network would appear after the cleanup.
  const network = await context.cleanup((signal) =>
    provideNetwork(docker, daemon, spec.network, {
      owner,
      run,
      signal,
      hasServices: spec.services.length > 0,
    })
  );
  const user = spec.user ?? image.user;
  const share = memoryShare(daemon, context.settings);
  const container = containerSpec(context, plan, { daemon, share, user, network: network.name, image });
  const { id, caches } = await withCaches(
    context,
    plan,
    { daemon, labels: container.labels },
    {
      create: async (prepare) => {
        const id = await create(context, container, prepare);
        context.faultPoint("container-created");
        return id;
      },
      start: async (id) => {
        const start = () => keepRunning(context, id, spec.image, { image, daemon });
        const services = servicesMemory(plan);
        await startInTurn(context, { id, memory: container.memory + services, services, start }, share);
      },
    },
  );
  context.faultPoint("container-started");
  await startServices(context, plan, { network: network.name, labels: container.labels });
  await fillCaches(context, id, caches, image);
  if (user !== "") {
    await giveFolders(context, id, {
      user,
      image,
      folders: [WORKSPACE, ...lines.map(({ path }) => path)],
    });
  }
  await context.log.line(describe(container, image, network.description));
  return id;
}

function containerSpec(
  { run, resource, settings, policy, eventId, deadline = 0 }: BuildContext,
  plan: Plan,
  { daemon, share, user, network, image }: {
    daemon: DaemonInfo;
    share: MemoryShare;
    user: string;
    network: string;
    image: ImageInfo;
  },
): ContainerSpec {
  const { spec } = plan;
  const services = servicesMemory(plan);
  const wanted = spec.limits.memory ?? Math.max(share.each - services, Math.ceil(share.each / 2));
  const memory = Math.min(wanted, policy.maxMemory ?? wanted);
  const cpus = spec.limits.cpus ?? policy.maxCpus;
  // The submission may give the run more time than its spec. The deadline is by our clock.
  const leftMs = Math.max(spec.timeout, deadline - Date.now());
  const expires = daemon.now + leftMs + (spec.keep === "never" ? SPARE_MS : KEEP_MS);
  const withheld = steeringVariables(image.env);
  const labels = {
    [LABELS.owner]: settings.owner,
    [LABELS.run]: run,
    [LABELS.resource]: resource.name,
    [LABELS.type]: resource.resource,
    [LABELS.resourceId]: resource.id,
    [LABELS.event]: eventId,
    [LABELS.user]: user,
    [LABELS.memory]: String(memory + services),
    [LABELS.expires]: String(expires),
    [LABELS.keep]: spec.keep,
    [LABELS.kind]: "build",
    [LABELS.env]: JSON.stringify(withheld),
  };
  return {
    name: idleName(run),
    image: spec.image,
    labels,
    entrypoint: ["/bin/sh"],
    command: ["-c", idleScript(image)],
    env: Object.fromEntries(Object.keys(withheld).map((name) => [name, undefined])),
    user: "0",
    workdir: WORKSPACE,
    volume: { target: WORKSPACE, labels },
    network,
    capabilities: CAPABILITIES,
    privileged: spec.privileged,
    pids: Math.min(spec.limits.pids ?? DEFAULT_PIDS, policy.maxPids ?? Infinity),
    memory,
    ...(cpus !== undefined && { cpus }),
  };
}

/**
 * Removes what an earlier attempt of this step left. Throws StepFailure `container-failed` if the name
 * belongs to a container that is not ours.
 */
async function clearEarlier({ docker, run, settings: { owner }, signal }: BuildContext): Promise<void> {
  if (await removeRun(docker, { owner, run, signal })) return;
  // Housekeeping, or an attempt that was overtaken, has removed it meanwhile.
  const names = [containerName(run), idleName(run)];
  const taken = await Promise.all(names.map((name) => docker.inspect(name, { signal })));
  if (taken.every((found) => found === undefined)) return;
  throw new StepFailure(
    `Cannot create the container: Its name "${containerName(run)}" is taken by a container that is not ours`,
    { reason: "container-failed" },
  );
}

async function create(
  context: BuildContext,
  spec: ContainerSpec,
  prepare: () => Promise<MountedCaches>,
): Promise<string> {
  const { docker, signal } = context;
  for (let again = false;; again = true) {
    const { mounts, labels } = await prepare();
    const cached = { ...spec, mounts, labels: { ...spec.labels, ...labels } };
    try {
      return await context.cleanup((signal) => docker.create(cached, { signal }));
    } catch (error) {
      if (!(error instanceof DockerError)) throw error;
      if (error.status === 409 && !again) {
        await clearEarlier(context);
        continue;
      }
      const isImageGone = error.status === 404 && !await docker.inspectImage(spec.image, { signal });
      throw new StepFailure(`Cannot create the container: ${error.message}`, {
        reason: isImageGone ? "image-not-found" : "container-failed",
        cause: error,
      });
    }
  }
}

async function giveFolders(
  context: BuildContext,
  id: string,
  { user, image, folders }: { user: string; image: ImageInfo; folders: readonly string[] },
): Promise<void> {
  const command = ["chown", user, ...folders];
  const code = await exec(context, id, { command, user: "0", env: ownEnvironment(image), offline: true });
  if (code === 0) return;
  throw new StepFailure(
    `Cannot give ${folders.join(", ")} to the user "${user}": chown exited with ${code}`,
    {
      reason: "image-unusable",
    },
  );
}

/** Describes the container in one line of the log. */
function describe(spec: ContainerSpec, image: ImageInfo, network: string): string {
  return [
    `Container ${containerName(spec.labels[LABELS.run] ?? "")}: image ${spec.image} (${
      image.id.replace("sha256:", "").slice(0, 12)
    })`,
    `user ${spec.labels[LABELS.user] || "root"}`,
    `memory ${formatSize(spec.memory)} and no swap`,
    `cpus ${spec.cpus ?? "all"}`,
    `pids ${spec.pids}`,
    `network ${network}`,
    spec.privileged
      ? "PRIVILEGED"
      : `no new privileges, capabilities ${spec.capabilities.join(" ").toLowerCase()}`,
  ].join(", ");
}
