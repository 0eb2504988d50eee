import { abortable } from "../base/signals.ts";
import { call, labelFilter } from "./calls.ts";
import type { Client } from "./client.ts";
import type { CallOptions, ContainerEvent, DaemonInfo, Docker } from "./docker.ts";
import { jsonLines } from "./json-lines.ts";

/** Architectures as images name them, by the kernel's name. */
const ARCHITECTURES: Record<string, string> = {
  x86_64: "amd64",
  aarch64: "arm64",
  armv7l: "arm",
  armv6l: "arm",
  i686: "386",
  i386: "386",
};

/** Calls about the daemon itself and its events. */
export function daemonCalls(
  client: Client,
): Pick<Docker, "info" | "now" | "versionOf" | "events" | "changes" | "diskBytes"> {
  async function info(options: CallOptions = {}): Promise<DaemonInfo> {
    const info = await client.info(call(options));
    return {
      id: info.ID,
      name: info.Name,
      version: info.ServerVersion,
      cpus: info.NCPU,
      architecture: ARCHITECTURES[info.Architecture] ?? info.Architecture,
      memory: info.MemTotal,
      // Daemons that no longer report this load the filter themselves, or refuse to create such a bridge.
      filtersBridges: info.BridgeNfIptables ?? true,
      rootFolder: info.DockerRootDir,
      storage: info.Driver || undefined,
      cgroups: info.CgroupVersion || undefined,
      proxy: info.HttpsProxy || undefined,
      now: Date.parse(info.SystemTime),
    };
  }

  async function now(options: CallOptions = {}): Promise<number> {
    return (await info(options)).now;
  }

  return {
    info,
    now,

    async versionOf(component, { signal } = {}) {
      const asking = client.version();
      const { Components: found } = signal ? await abortable(asking, signal) : await asking;
      return found?.find(({ Name }) => Name === component)?.Version;
    },

    async diskBytes(containers, { instead, ...options } = {}) {
      const { Containers, Volumes } = await client.df(call(options));
      const found = Containers?.filter(({ Id }) => containers.includes(Id)) ?? [];
      if (found.length === 0) return undefined;
      const mounts = found.flatMap(({ Mounts }) => Mounts);
      const names = new Set(mounts.map(({ Name = "" }) => instead?.get(Name) ?? Name));
      const volumes = Volumes?.filter(({ Name }) => names.has(Name)) ?? [];
      return volumes.reduce(
        (sum, { UsageData }) => sum + Math.max(0, UsageData?.Size ?? 0),
        found.reduce((sum, { SizeRw }) => sum + (SizeRw ?? 0), 0),
      );
    },

    async *changes(labels, { sinceMs, ...options }) {
      const stream = await client.getEvents({
        since: seconds(sinceMs),
        filters: {
          ...labelFilter(labels),
          type: ["container"],
          event: ["create", "start", "die", "destroy"],
        },
        ...call(options),
      } as object);
      for await (const _ of jsonLines(stream as unknown as AsyncIterable<Uint8Array>)) yield;
    },

    async events(reference, sinceMs, kinds, options = {}) {
      const stream = await client.getEvents({
        since: seconds(sinceMs),
        until: seconds(await now(options)),
        filters: { container: [reference], type: ["container"], event: kinds },
        ...call(options),
      } as object);
      const happened: ContainerEvent[] = [];
      for await (const { Action } of jsonLines(stream as unknown as AsyncIterable<Uint8Array>)) {
        happened.push(Action as ContainerEvent);
      }
      return happened;
    },
  };
}

/** Formats a time for the daemon, in seconds: `1700000000.042`. */
function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
