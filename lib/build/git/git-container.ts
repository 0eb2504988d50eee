import { StepFailure } from "../../base/errors.ts";
import { type ContainerInfo, type ContainerSpec, DockerError } from "../../docker/docker.ts";
import type { BuildContext } from "../policy.ts";
import { capture } from "../../driver/work/exec.ts";
import { provideImage } from "../image.ts";
import { buildUser, findContainer, gitContainerName, LABELS } from "../labels.ts";
import { type Plan, WORKSPACE } from "../plan.ts";
import { removeGitContainer } from "../remove.ts";
import { mirrorMounts } from "./mirror.ts";
import { cleanEnvironment } from "./environment.ts";

/**
 * For root in the container, which prepares for another user and ends processes. git itself needs none of
 * them.
 */
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL"];
const PIDS = 1024;
/**
 * How long the container may outlive the run's timeout if all processes that knew of it were lost,
 * milliseconds.
 */
const SPARE_MS = 60_000;
/** Exists once the container is ready for a clone. */
export const READY_FOLDER = "/.conveyor-ready";
/**
 * Script of the process that keeps the container running. ssh refuses a user without a name, so the build's
 * user gets one. A container left alone ends by itself, and the daemon then removes it.
 */
const IDLE = `
trap '' TERM INT HUP
if [ "$USER_ID" != 0 ]; then echo "conveyor:x:$USER_ID:$GROUP_ID::/:/bin/sh" >>/etc/passwd; fi
mkdir ${READY_FOLDER} && exec sleep "$SECONDS_LEFT"
`;

/** A second container, next to the build's, for a clone with credentials. */
export interface GitContainer {
  readonly container: ContainerInfo;
  /** `uid:gid` of the build's user. */
  readonly user: string;
}

/**
 * Runs `work` in a separate container from `image`. It shares only the workspace and the network with the
 * build, so its contents never reach the build. The build's container is paused meanwhile: anything running
 * there could write files into the workspace that git trusts. Removes the container when done, and first one
 * that an earlier attempt left. Throws StepFailure `image-not-found`, `image-pull-failed`, `image-unusable`
 * or `container-failed`.
 */
export async function inGitContainer<T>(
  context: BuildContext,
  build: ContainerInfo,
  { plan, image }: { plan: Plan; image: string },
  work: (git: GitContainer) => Promise<T>,
): Promise<T> {
  context.signal.throwIfAborted();
  const [user] = await Promise.all([
    userOf(context, build),
    image === plan.spec.image ? undefined : provideImage(context, { ...plan.spec, image, pull: "missing" }),
  ]);
  try {
    await context.cleanup((signal) => context.docker.pause(build.id, { signal }));
    const container = await start(context, build, { plan, image, user });
    return await work({ container, user });
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    throw new StepFailure(`Cannot clone in a container of its own: ${error.message}`, {
      reason: "container-failed",
      cause: error,
    });
  } finally {
    await endGitContainer(context);
  }
}

/** Removes the run's git container, if there is one, and resumes the build's container. */
export async function endGitContainer(
  { cleanup, docker, run, settings: { owner } }: BuildContext,
): Promise<void> {
  await cleanup(async (signal) => {
    try {
      await removeGitContainer(docker, { owner, run, signal });
    } finally {
      const build = await findContainer(docker, { owner, run, signal });
      if (build?.state === "paused") await docker.unpause(build.id, { signal });
    }
  });
}

/** Returns the build's user as `uid:gid`: another image knows other names. */
async function userOf(context: BuildContext, build: ContainerInfo): Promise<string> {
  const { user } = buildUser(build);
  if (user === "0") return "0:0";
  if (/^\d+:\d+$/.test(user)) return user;
  const { exitCode, stdout } = await capture(context, build.id, {
    command: ["/bin/sh", "-c", 'echo "$(id -u):$(id -g)"'],
    user,
    env: cleanEnvironment(build),
  });
  const numbers = stdout.trim();
  if (exitCode === 0 && /^\d+:\d+$/.test(numbers)) return numbers;
  throw new StepFailure(
    `Cannot find out the number of the user "${user}": the image's id printed "${numbers}"`,
    {
      reason: "image-unusable",
    },
  );
}

async function start(
  context: BuildContext,
  build: ContainerInfo,
  { plan, image, user }: { plan: Plan; image: string; user: string },
): Promise<ContainerInfo> {
  const { docker, run } = context;
  try {
    // The daemon completes a call that we abort: the container would appear after the cleanup.
    const id = await context.cleanup((signal) =>
      createAgain(context, specOf(build, { run, plan, image, user }), signal)
    );
    await docker.start(id, { signal: context.signal });
    const container = await docker.inspect(id, { signal: context.signal });
    if (container?.state === "running") return container;
    throw new StepFailure(
      `The container from "${image}" that clones ended at once: expected an image with /bin/sh, mkdir and sleep`,
      { reason: "image-unusable" },
    );
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    throw new StepFailure(`Cannot start a container from "${image}" to clone in: ${error.message}`, {
      reason: "container-failed",
      cause: error,
    });
  }
}

/**
 * Creates the container. If its name is taken, removes an earlier attempt's container and tries once more.
 */
async function createAgain(
  { docker, run, settings: { owner } }: BuildContext,
  spec: ContainerSpec,
  signal: AbortSignal,
): Promise<string> {
  try {
    return await docker.create(spec, { signal });
  } catch (error) {
    const isTaken = error instanceof DockerError && error.status === 409;
    if (!isTaken || !await removeGitContainer(docker, { owner, run, signal })) throw error;
    return await docker.create(spec, { signal });
  }
}

function specOf(
  build: ContainerInfo,
  { run, plan, image, user }: { run: string; plan: Plan; image: string; user: string },
): ContainerSpec {
  const volume = build.volumes[WORKSPACE];
  if (volume === undefined) {
    throw new StepFailure("The run's container has no workspace", { reason: "container-lost" });
  }
  const [uid = "0", gid = "0"] = user.split(":");
  const { [LABELS.owner]: owner = "", [LABELS.resource]: resource = "", [LABELS.expires]: expires = "" } =
    build.labels;
  return {
    name: gitContainerName(run),
    image,
    labels: {
      [LABELS.owner]: owner,
      [LABELS.run]: run,
      [LABELS.resource]: resource,
      [LABELS.expires]: expires,
      [LABELS.keep]: "never",
      [LABELS.kind]: "git",
    },
    entrypoint: ["/bin/sh"],
    command: ["-c", IDLE],
    env: {
      USER_ID: uid,
      GROUP_ID: gid,
      SECONDS_LEFT: String(Math.ceil((plan.spec.timeout + SPARE_MS) / 1000)),
    },
    user: "0",
    workdir: "/",
    volume: { target: WORKSPACE, name: volume },
    mounts: mirrorMounts(build),
    // Share the build's network, where no process of the build runs yet. Joining another network takes half
    // of the time.
    network: `container:${build.id}`,
    capabilities: CAPABILITIES,
    privileged: false,
    pids: PIDS,
    memory: Number(build.labels[LABELS.memory]) || 0,
    removesItself: true,
  };
}
