import { StepFailure } from "../../base/errors.ts";
import { abortable } from "../../base/signals.ts";
import { type CallOptions, type Docker, DockerError } from "../../docker/docker.ts";

export interface LateNetwork {
  readonly name: string;
  /** Creates the network if it is gone. False if there is none of ours afterwards. */
  readonly provide: () => Promise<boolean>;
}

/** A container that was created with the network. */
interface LateContainer {
  readonly id: string;
  /** Until a build takes it over. It is connected from then on. */
  readonly name: string;
  /** Resolves to false if the daemon does not take it off the network: it then starts with it. */
  readonly isOff: Promise<boolean>;
  /** Its connection, under way or done. */
  connection?: Promise<void> | undefined;
}

/**
 * Returns Docker that starts containers without their network. Connecting one takes the daemon a tenth of a
 * second, in which it starts no process in it. So it is connected while its first `offline` process runs.
 *
 * The one rule: no process that may use the network starts before the container is connected, and whoever is
 * handed the container finds it connected. So these calls connect it first: `exec` of a process that is not
 * `offline`, `rename`, by which a build takes it over, and `create` of a container that shares its network.
 * They throw StepFailure `container-failed` if the daemon refuses the connection.
 *
 * Only for containers that are removed with their run, by this process: somebody who looks at a kept
 * container would not wait, nor would another process.
 */
export function connectLater(docker: Docker, network: LateNetwork): Docker {
  const containers = new Set<LateContainer>();

  /** Finds a container as the daemon does: by its id, the beginning of its id, or its name. */
  const find = (reference: string): LateContainer | undefined =>
    [...containers].find(({ id, name }) => name === reference || id.startsWith(reference));

  function connect(container: LateContainer): Promise<void> {
    const { id, isOff } = container;
    if (container.connection) return container.connection;
    const connecting = isOff.then((isOff) => isOff ? connectOrProvide(docker, network, id) : undefined);
    container.connection = connecting;
    connecting.catch(() => container.connection = undefined);
    return connecting;
  }

  async function connected(reference: string, options?: CallOptions): Promise<void> {
    const container = find(reference);
    if (!container) return;
    try {
      await waitFor(connect(container), options);
    } catch (error) {
      if (!(error instanceof DockerError)) throw error;
      throw new StepFailure(`Cannot connect the container to its network: ${error.message}`, {
        reason: "container-failed",
        cause: error,
      });
    }
  }

  return {
    ...docker,
    async create(spec, options) {
      const [, shared] = /^container:(.+)$/.exec(spec.network) ?? [];
      if (shared !== undefined) await connected(shared, options);
      const id = await docker.create(spec, options);
      if (spec.network === network.name) {
        containers.add({ id, name: spec.name, isOff: takeOff(docker, network.name, id) });
      }
      return id;
    },
    async start(reference, options) {
      const container = find(reference);
      if (container) await waitFor(container.isOff, options);
      await docker.start(reference, options);
    },
    async exec(reference, spec, options) {
      if (spec.offline !== true) await connected(reference, options);
      const process = await docker.exec(reference, spec, options);
      const container = find(reference);
      // If it fails, the next call that needs the network tries again.
      if (container) connect(container).catch(() => {});
      return process;
    },
    async rename(reference, name, options) {
      await connected(reference, options);
      return await docker.rename(reference, name, options);
    },
    async remove(reference, options) {
      const container = find(reference);
      // A connection must not be made to a container that is being removed.
      await waitFor(container?.connection?.catch(() => {}), options);
      const isRemoved = await docker.remove(reference, options);
      if (container) containers.delete(container);
      return isRemoved;
    },
  };
}

async function waitFor<T>(
  promise: Promise<T> | undefined,
  { signal }: CallOptions = {},
): Promise<T | undefined> {
  return promise && signal ? await abortable(promise, signal) : await promise;
}

/** Takes a container off its network before it starts. Returns false if the daemon does not do that. */
function takeOff(docker: Docker, network: string, container: string): Promise<boolean> {
  const taking = docker.disconnect(network, container).then(() => true, (error) => {
    if (error instanceof DockerError) return false;
    throw error;
  });
  // The start is told, if there is one.
  taking.catch(() => {});
  return taking;
}

/** Somebody may remove the network while no container is connected to it, for example by pruning networks. */
async function connectOrProvide(
  docker: Docker,
  { name, provide }: LateNetwork,
  container: string,
): Promise<void> {
  try {
    await docker.connect(name, container);
  } catch (error) {
    if (!(error instanceof DockerError) || error.status !== 404 || !await provide()) throw error;
    await docker.connect(name, container);
  }
}
