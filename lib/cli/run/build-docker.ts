import { cloneNeedsNetwork } from "../../build/git/clone-needs-network.ts";
import { provideShared, SHARED_NETWORK } from "../../build/network.ts";
import type { Plan } from "../../build/plan.ts";
import type { DaemonInfo, Docker } from "../../docker/docker.ts";
import { connectLater } from "./connect-later.ts";

/**
 * Returns Docker for one build. Reuses the daemon's `info`, which holds for as long as a build takes.
 * `onIdle` is called once the start of a container has been sent or has failed: the daemon is busy then, and
 * this process is idle. If nothing needs the network before the commands, the container is connected to it
 * while the repository is cloned; not so one that may be kept, in which somebody looks around if the build
 * ends before that.
 */
export function buildDocker(
  docker: Docker,
  { info, plan, onIdle }: { info: DaemonInfo; plan: Plan; onIdle: () => void },
): Docker {
  const given: Docker = {
    ...docker,
    info: () => Promise.resolve(info),
    start(container, options) {
      const starting = docker.start(container, { ...options, onSent: onIdle });
      // What waits for this must not wait for ever.
      starting.catch(onIdle);
      return starting;
    },
  };
  const isOffline = plan.services.length === 0 && !cloneNeedsNetwork(plan);
  if (!isOffline || plan.spec.keep !== "never") return given;
  return connectLater(given, { name: SHARED_NETWORK, provide: () => provideShared(given) });
}
