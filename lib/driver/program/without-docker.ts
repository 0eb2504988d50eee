import { arch, availableParallelism, hostname, totalmem } from "node:os";
import type { DaemonInfo, Docker } from "../../docker/docker.ts";
import type { Reaching } from "./reach-docker.ts";

/** Replaces Docker for a driver that uses none: this machine is its host, and every call throws TypeError. */
export function withoutDocker(): Reaching {
  const name = hostname();
  const info: DaemonInfo = {
    id: "",
    name,
    version: "",
    cpus: availableParallelism(),
    architecture: arch(),
    memory: totalmem(),
    filtersBridges: false,
    rootFolder: "/",
    now: Date.now(),
  };
  const docker = new Proxy({}, {
    get: (_, call) => () => {
      throw new TypeError(`Docker.${String(call)} was called by a driver with "usesDocker: false"`);
    },
  }) as Docker;
  return {
    answer: Promise.resolve({ docker, info }),
    asked: Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
