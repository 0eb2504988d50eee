import { messageOf, StepFailure } from "../../base/errors.ts";
import { abortable } from "../../base/signals.ts";
import { type CallOptions, type Docker, DockerError } from "../../docker/docker.ts";

/**
 * Returns Docker that starts containers without `network`, because connecting takes the daemon a tenth of a
 * second. It connects them once the first process that is `offline` has started in one of them: while it
 * connects a container, the daemon starts nothing in it. What may depend on the network waits until the
 * container is connected: every other process, and the rename that begins a build. If a connection fails,
 * those calls throw StepFailure `container-failed`.
 *
 * Only for a run whose steps share this object, since another process would not wait. If the process is lost,
 * so is its run.
 */
export function connectLater(docker: Docker, network: string): Docker {
  /** Whether a container was taken off the network. */
  const takenOff = new Map<string, Promise<boolean>>();
  /** Containers that run without the network. */
  const apart = new Set<string>();
  const connecting = new Map<string, Promise<void>>();

  function connect(): void {
    for (const container of apart) {
      const connection = docker.connect(network, container);
      connection.catch(() => {});
      connecting.set(container, connection);
    }
    apart.clear();
  }

  async function connected({ signal }: CallOptions = {}): Promise<void> {
    connect();
    const all = Promise.all(connecting.values());
    try {
      await (signal ? abortable(all, signal) : all);
    } catch (error) {
      signal?.throwIfAborted();
      throw new StepFailure(`Cannot connect the container to its network: ${messageOf(error)}`, {
        reason: "container-failed",
        cause: error,
      });
    }
  }

  /** Resolves once no connection is under way, so that none is made to a container that is removed. */
  async function settled({ signal }: CallOptions = {}): Promise<void> {
    const all = Promise.allSettled(connecting.values());
    await (signal ? abortable(all, signal) : all);
  }

  return {
    ...docker,
    async create(spec, options) {
      const id = await docker.create(spec, options);
      if (spec.network === network) takenOff.set(id, takeOff(docker, network, id));
      return id;
    },
    async start(container, options) {
      const isOff = await takenOff.get(container);
      await docker.start(container, options);
      if (isOff && !connecting.has(container)) apart.add(container);
    },
    async exec(container, spec, options) {
      if (spec.offline !== true) await connected(options);
      const process = await docker.exec(container, spec, options);
      connect();
      return process;
    },
    async rename(container, name, options) {
      await connected(options);
      return await docker.rename(container, name, options);
    },
    async pause(container, options) {
      await settled(options);
      await docker.pause(container, options);
    },
    async kill(container, options) {
      await settled(options);
      return await docker.kill(container, options);
    },
    async remove(container, options) {
      apart.delete(container);
      await settled(options);
      const isRemoved = await docker.remove(container, options);
      takenOff.delete(container);
      connecting.delete(container);
      return isRemoved;
    },
  };
}

/**
 * Takes a container off its network before it starts. Returns false if the daemon does not do that: the
 * container then starts with its network.
 */
function takeOff(docker: Docker, network: string, container: string): Promise<boolean> {
  const taking = docker.disconnect(network, container).then(() => true, (error) => {
    if (error instanceof DockerError) return false;
    throw error;
  });
  taking.catch(() => {});
  return taking;
}
