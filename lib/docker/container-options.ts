import type { ContainerSpec, MountSpec, Variables } from "./docker.ts";

/** Returns the body of the single call that creates a container. */
export function containerOptions(spec: ContainerSpec): Record<string, unknown> {
  return {
    Image: spec.image,
    Labels: spec.labels,
    ...(spec.entrypoint === undefined ? {} : { Entrypoint: spec.entrypoint }),
    ...(spec.command === undefined ? {} : { Cmd: spec.command }),
    Env: environmentList(spec.env),
    ...(spec.user === undefined ? {} : { User: spec.user }),
    ...(spec.workdir === undefined ? {} : { WorkingDir: spec.workdir }),
    Tty: false,
    // The image's own health check would start a process every few seconds during the build.
    Healthcheck: { Test: ["NONE"] },
    // A stop from outside, also by the daemon when it stops or restarts, would wait ten seconds for a process
    // that ignores TERM. Our own code ends what it has started itself.
    StopSignal: "SIGKILL",
    HostConfig: {
      Init: true,
      Privileged: spec.privileged,
      SecurityOpt: ["no-new-privileges"],
      CapDrop: ["ALL"],
      CapAdd: spec.capabilities,
      PidsLimit: spec.pids,
      Memory: spec.memory,
      // Equal to `Memory`, which means no swap.
      MemorySwap: spec.memory,
      ...(spec.cpus === undefined ? {} : { NanoCpus: Math.round(spec.cpus * 1e9) }),
      LogConfig: spec.keepsLog ? KEPT_LOG : { Type: "none" },
      RestartPolicy: { Name: "no" },
      NetworkMode: spec.network,
      ...(spec.removesItself ? { AutoRemove: true } : {}),
      Mounts: [...(spec.volume ? [mountOf(spec.volume)] : []), ...(spec.mounts ?? []).map(furtherMount)],
    },
    ...(spec.aliases === undefined ? {} : {
      NetworkingConfig: { EndpointsConfig: { [spec.network]: { Aliases: spec.aliases } } },
    }),
  };
}

const KEPT_LOG = { Type: "json-file", Config: { "max-size": "10m", "max-file": "1" } };

function mountOf(volume: NonNullable<ContainerSpec["volume"]>): Record<string, unknown> {
  const mount = { Type: "volume", Target: volume.target };
  // Without NoCopy the daemon would copy the image's content of that folder into an empty volume.
  if ("name" in volume) return { ...mount, Source: volume.name, VolumeOptions: { NoCopy: true } };
  return { ...mount, VolumeOptions: { Labels: volume.labels } };
}

function furtherMount(mount: MountSpec): Record<string, unknown> {
  const options = { Type: "volume", Target: mount.target };
  // Without NoCopy the daemon would copy the image's content of that folder into an empty volume.
  if ("name" in mount) {
    const { name, isReadOnly = false } = mount;
    return { ...options, Source: name, ReadOnly: isReadOnly, VolumeOptions: { NoCopy: true } };
  }
  const { lower, changes } = mount.overlay;
  const above = changes ? `,upperdir=${changes.upper},workdir=${changes.work}` : "";
  const o = `lowerdir=${lower.join(":")}${above}`;
  const driver = { Name: "local", Options: { type: "overlay", device: "overlay", o } };
  return { ...options, VolumeOptions: { NoCopy: true, DriverConfig: driver } };
}

/** Returns `NAME=value` strings; a bare `NAME` removes the variable. */
export function environmentList(env: Variables): string[] {
  return Object.entries(env).map(([name, value]) => value === undefined ? name : `${name}=${value}`);
}

/** The inverse of `environmentList`. */
export function environmentOf(list: readonly string[] | null | undefined): Record<string, string> {
  const env: Record<string, string> = {};
  for (const text of list ?? []) {
    const at = text.indexOf("=");
    if (at > 0) env[text.slice(0, at)] = text.slice(at + 1);
  }
  return env;
}
