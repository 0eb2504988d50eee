import { StepFailure } from "../base/errors.ts";
import { type CallOptions, type DaemonInfo, type Docker, DockerError } from "../docker/docker.ts";
import { containerName, runLabels } from "./labels.ts";

/** The bridge that all runs on a daemon share. Containers on it cannot reach each other. */
export const SHARED_NETWORK = "conveyor";
const SHARED_LABELS = { "conveyor.network": "isolated" };

/**
 * Returns the network for a run's container. `bridge` gives access to the outside but not to other runs. It
 * is one shared bridge without traffic between its containers. If the daemon's kernel cannot filter inside a
 * bridge, or a network that is not ours has that name, the run gets a bridge of its own, with labels by which
 * cleanup finds it. So does a run with services, whose containers must reach each other; with `none` that
 * network has no way out.
 */
export async function provideNetwork(
  docker: Docker,
  info: DaemonInfo,
  wanted: string,
  run: { owner: string; run: string; signal: AbortSignal; hasServices: boolean },
): Promise<{ name: string; description: string }> {
  if (run.hasServices) {
    const internal = wanted === "none";
    const description = internal ? "its services' only" : "a bridge of its own, with its services";
    return { name: await provideOwn(docker, { ...run, internal }), description };
  }
  if (wanted !== "bridge") return { name: wanted, description: wanted };
  if (info.filtersBridges && await provideShared(docker, { signal: run.signal })) {
    return { name: SHARED_NETWORK, description: "isolated bridge" };
  }
  return { name: await provideOwn(docker, run), description: "a bridge of its own" };
}

async function provideOwn(
  docker: Docker,
  { owner, run, internal = false, signal }: {
    owner: string;
    run: string;
    internal?: boolean;
    signal: AbortSignal;
  },
): Promise<string> {
  const name = containerName(run);
  const labels = runLabels(owner, run);
  try {
    await docker.createNetwork({ name, labels, isolated: false, internal }, { signal });
    return name;
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    const left = error.status === 409 ? await docker.network(name, { signal }) : undefined;
    if (left && hasLabels(left, labels)) return name;
    throw new StepFailure(`Cannot create a network for the run: ${error.message}`, {
      reason: "container-failed",
      cause: error,
    });
  }
}

/**
 * Creates the shared network unless it exists. Returns false if the daemon cannot, or if a network that is
 * not ours has its name.
 */
export async function provideShared(docker: Docker, options: CallOptions = {}): Promise<boolean> {
  const isShared = async () => {
    const found = await docker.network(SHARED_NETWORK, options);
    // Labels can be copied, so check `isolated` too.
    return found && found.isolated && hasLabels(found, SHARED_LABELS);
  };
  const found = await isShared();
  if (found !== undefined) return found;
  try {
    await docker.createNetwork({ name: SHARED_NETWORK, labels: SHARED_LABELS, isolated: true }, options);
    return true;
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    // With status 409 another run has created it; otherwise the daemon cannot.
    return error.status === 409 && (await isShared()) === true;
  }
}

function hasLabels(
  { labels }: { labels: Readonly<Record<string, string>> },
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}
