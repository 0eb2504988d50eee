import { StepFailure } from "../base/errors.ts";
import { formatSize } from "../base/units.ts";
import { type ContainerSpec, type DaemonInfo, DockerError } from "../docker/docker.ts";
import type { Context } from "../driver/driver.ts";
import { exec } from "../driver/exec.ts";
import type { BuildSpec } from "../wire/build.ts";
import type { Image } from "./image.ts";
import { containerName, LABELS } from "./labels.ts";
import { provideNetwork } from "./network.ts";
import { type MemoryShare, memoryShare } from "./memory.ts";
import { WORKSPACE } from "./plan.ts";
import { removeRun } from "./remove.ts";
import { startInTurn } from "./start-in-turn.ts";

/** What a build needs to unpack, chown and drop to another user, and nothing that reaches outside of its container. */
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID", "SETFCAP", "KILL"];
const DEFAULT_PIDS = 4096;
/** A container outlives its run's limit by this at most when everybody who knew of it was lost, milliseconds. */
const SPARE_MS = 3_600_000;
const KEEP_MS = 24 * 3_600_000;

/** A folder in the container for what is ours, outside of the workspace. Any user may add to it; the sticky bit protects the rest. */
export const OWN_FOLDER = "/.conveyor";
/**
 * The process that keeps the container, under Docker's init. It runs as root and ignores TERM (so does the sleep that it
 * becomes), so that ending a build's processes leaves it alone.
 */
const IDLE = `trap '' TERM INT HUP; mkdir -p -m 1777 ${OWN_FOLDER} && exec sleep 2147483647`;

/** Creates and starts the run's container; what an earlier attempt left is removed. Answers its id. */
export async function startContainer(
  context: Context,
  spec: BuildSpec,
  image: Image,
  daemon: DaemonInfo,
): Promise<string> {
  const { docker, run, settings: { owner }, signal } = context;
  signal.throwIfAborted();
  // What the daemon has begun to make it makes, whoever has left meanwhile: cut off, it would be there after the cleanup.
  const network = await context.cleanup((signal) =>
    provideNetwork(docker, daemon, spec.network, { owner, run, signal })
  );
  const user = spec.user ?? image.user;
  const share = memoryShare(daemon, context.settings);
  const container = containerSpec(context, spec, { daemon, share, user, network: network.name });
  const id = await create(context, container);
  context.reach("container-created");
  if (!await docker.exists(id, "/bin/sh", { signal })) {
    throw new StepFailure(`The image "${spec.image}" has no /bin/sh, which every step needs`, {
      reason: "image-unusable",
    });
  }
  await startInTurn(context, { id, memory: container.memory, start: () => start(context, id) }, share);
  context.reach("container-started");
  if (user !== "") await giveWorkspace(context, id, user);
  await context.log.line(describe(container, image, network.description));
  return id;
}

function containerSpec(
  { run, resource, settings, eventId }: Context,
  spec: BuildSpec,
  { daemon, share, user, network }: { daemon: DaemonInfo; share: MemoryShare; user: string; network: string },
): ContainerSpec {
  const wanted = spec.limits.memory ?? share.each;
  const memory = Math.min(wanted, settings.maxMemory ?? wanted);
  const cpus = spec.limits.cpus ?? settings.maxCpus;
  const expires = daemon.now + spec.timeout + (spec.keep === "never" ? SPARE_MS : KEEP_MS);
  const labels = {
    [LABELS.owner]: settings.owner,
    [LABELS.run]: run,
    [LABELS.resource]: resource.name,
    [LABELS.type]: resource.resource,
    [LABELS.resourceId]: resource.id,
    [LABELS.event]: eventId,
    [LABELS.user]: user,
    [LABELS.memory]: String(memory),
    [LABELS.expires]: String(expires),
    [LABELS.keep]: spec.keep,
    [LABELS.kind]: "build",
  };
  return {
    name: containerName(run),
    image: spec.image,
    labels,
    entrypoint: ["/bin/sh"],
    command: ["-c", IDLE],
    env: {},
    user: "0",
    workdir: WORKSPACE,
    volume: { target: WORKSPACE, labels },
    network,
    capabilities: CAPABILITIES,
    privileged: spec.privileged,
    pids: spec.limits.pids ?? DEFAULT_PIDS,
    memory,
    ...(cpus !== undefined && { cpus }),
  };
}

async function create(context: Context, spec: ContainerSpec): Promise<string> {
  const { docker, run, settings: { owner }, signal } = context;
  for (let again = false;; again = true) {
    try {
      return await context.cleanup((signal) => docker.create(spec, { signal }));
    } catch (error) {
      if (!(error instanceof DockerError)) throw error;
      // An earlier attempt of this step got this far: its container is ours to clear. Anybody else's is not.
      const taken = error.status === 409 && !again;
      if (taken && await removeRun(docker, { owner, run, signal })) continue;
      throw new StepFailure(`Cannot create the container: ${error.message}`, {
        reason: error.status === 404 && /no such image/i.test(error.message)
          ? "image-not-found"
          : "container-failed",
        cause: error,
      });
    }
  }
}

async function start({ docker, signal }: Context, id: string): Promise<void> {
  try {
    await docker.start(id, { signal });
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    throw new StepFailure(`Cannot start the container: ${error.message}`, {
      reason: "container-failed",
      cause: error,
    });
  }
}

async function giveWorkspace(context: Context, id: string, user: string): Promise<void> {
  const code = await exec(context, id, { command: ["chown", user, WORKSPACE], user: "0" });
  if (code === 0) return;
  throw new StepFailure(`Cannot give ${WORKSPACE} to the user "${user}": chown exited with ${code}`, {
    reason: "image-unusable",
  });
}

/** Nothing is guessed silently: what the container was made with, as one line. */
function describe(spec: ContainerSpec, image: Image, network: string): string {
  return [
    `Container ${spec.name}: image ${spec.image} (${image.id.replace("sha256:", "").slice(0, 12)})`,
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
