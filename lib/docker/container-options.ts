import type { ContainerSpec, Variables } from "./docker.ts";

/** The body of the one call that creates a container. */
export function containerOptions(spec: ContainerSpec): Record<string, unknown> {
  return {
    Image: spec.image,
    Labels: spec.labels,
    Entrypoint: spec.entrypoint,
    Cmd: spec.command,
    Env: environmentList(spec.env),
    ...(spec.user === undefined ? {} : { User: spec.user }),
    WorkingDir: spec.workdir,
    Tty: false,
    // The image's own check would start a process every few seconds inside the build.
    Healthcheck: { Test: ["NONE"] },
    // Whoever stops it from outside, the daemon too when it goes or comes back, would wait ten seconds for a process that
    // does not heed TERM: what runs here is ended by those who have started it.
    StopSignal: "SIGKILL",
    HostConfig: {
      Init: true,
      Privileged: spec.privileged,
      SecurityOpt: ["no-new-privileges"],
      CapDrop: ["ALL"],
      CapAdd: spec.capabilities,
      PidsLimit: spec.pids,
      Memory: spec.memory,
      // The same number means that there is no swap on top.
      MemorySwap: spec.memory,
      ...(spec.cpus === undefined ? {} : { NanoCpus: Math.round(spec.cpus * 1e9) }),
      LogConfig: { Type: "none" },
      RestartPolicy: { Name: "no" },
      NetworkMode: spec.network,
      ...(spec.removesItself ? { AutoRemove: true } : {}),
      Mounts: [mountOf(spec.volume)],
    },
  };
}

function mountOf(volume: ContainerSpec["volume"]): Record<string, unknown> {
  const mount = { Type: "volume", Target: volume.target };
  // Without NoCopy the daemon would fill an empty volume with what the image has in that folder.
  if ("name" in volume) return { ...mount, Source: volume.name, VolumeOptions: { NoCopy: true } };
  return { ...mount, VolumeOptions: { Labels: volume.labels } };
}

/** `NAME=value` strings; a bare `NAME` takes the variable away. */
export function environmentList(env: Variables): string[] {
  return Object.entries(env).map(([name, value]) => value === undefined ? name : `${name}=${value}`);
}

/** The opposite of `environmentList`. */
export function environmentOf(list: readonly string[] | null | undefined): Record<string, string> {
  const env: Record<string, string> = {};
  for (const text of list ?? []) {
    const at = text.indexOf("=");
    if (at > 0) env[text.slice(0, at)] = text.slice(at + 1);
  }
  return env;
}
