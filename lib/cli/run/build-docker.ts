import type { DaemonInfo, Docker } from "../../docker/docker.ts";

/**
 * Docker as one build uses it. What the daemon has just said of itself holds for as long as a build takes. `onIdle` is
 * called when a container is being started: the daemon has work for a while then, and this process has none.
 */
export function buildDocker(
  docker: Docker,
  { info, onIdle }: { info: DaemonInfo; onIdle: () => void },
): Docker {
  return {
    ...docker,
    info: () => Promise.resolve(info),
    start(container, options) {
      onIdle();
      return docker.start(container, options);
    },
  };
}
