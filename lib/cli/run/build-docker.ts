import type { DaemonInfo, Docker } from "../../docker/docker.ts";

/**
 * Returns Docker for one build. Reuses the daemon's `info`, which holds for as long as a build takes.
 * `onIdle` is called when a container starts: the daemon is busy then, and this process is idle.
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
