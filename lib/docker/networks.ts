import { answered, call, checked, done, hasStatus, labelFilter } from "./calls.ts";
import type { Client, CreateNetworkOptions } from "./client.ts";
import type { CallOptions, Docker } from "./docker.ts";

type Calls = Pick<
  Docker,
  | "networks"
  | "network"
  | "createNetwork"
  | "connect"
  | "disconnect"
  | "removeNetwork"
  | "volumes"
  | "createVolume"
  | "removeVolume"
  | "volumeBytes"
>;

/** Bridge option that allows traffic between its containers. */
const ICC = "com.docker.network.bridge.enable_icc";

/** Calls about networks and volumes. */
export function networkAndVolumeCalls(client: Client): Calls {
  const network = (name: string) => client.getNetwork(checked("network", name));

  async function isConnected(name: string, container: string, options: CallOptions): Promise<boolean> {
    const found = await answered([404], () => client.getContainer(container).inspect(call(options)));
    return Object.entries(found?.NetworkSettings.Networks ?? {})
      .some(([own, { NetworkID }]) => own === name || NetworkID === name);
  }

  return {
    async networks(labels, options = {}) {
      const found = await client.listNetworks({ filters: labelFilter(labels), ...call(options) });
      return found.map(({ Id, Name, Labels, Created }) => ({
        id: Id,
        name: Name,
        labels: Labels ?? {},
        createdAt: timeOf(Created),
      }));
    },

    async network(name, options = {}) {
      const found = await answered([404], () => network(name).inspect(call(options)));
      // The daemon also accepts the beginning of an id as a name.
      if (!found || (found.Name !== name && found.Id !== name)) return undefined;
      const isolated = found.Driver === "bridge" && found.Options?.[ICC] === "false";
      return { id: found.Id, labels: found.Labels ?? {}, isolated };
    },

    async createNetwork({ name, labels, isolated, internal = false }, options = {}) {
      const created = await client.createNetwork({
        _query: {},
        _body: {
          Name: checked("network", name),
          CheckDuplicate: true,
          Driver: "bridge",
          Internal: internal,
          Labels: labels,
          Options: isolated ? { [ICC]: "false" } : {},
        },
        ...call(options),
      } as unknown as CreateNetworkOptions);
      return created.id;
    },

    async connect(name, container, options = {}) {
      const given = { _body: { Container: checked("container", container) }, ...call(options) };
      try {
        await network(name).connect(given);
      } catch (error) {
        if (!hasStatus(error, [403]) || !await isConnected(name, container, options)) throw error;
      }
    },

    async disconnect(name, container, options = {}) {
      const given = { _body: { Container: checked("container", container) }, ...call(options) };
      await network(name).disconnect(given);
    },

    async removeNetwork(id, options = {}) {
      return await done([404], () => network(id).remove(call(options)));
    },

    async volumes(labels, options = {}) {
      const found = await client.listVolumes({ filters: labelFilter(labels), ...call(options) });
      return (found.Volumes ?? []).map(({ Name, Labels, Mountpoint, CreatedAt = "" }) => ({
        name: Name,
        labels: Labels ?? {},
        mountpoint: Mountpoint,
        createdAt: timeOf(CreatedAt),
      }));
    },

    async createVolume({ name, labels }, options = {}) {
      await client.createVolume({
        _query: {},
        _body: { Name: checked("volume", name), Labels: labels },
        ...call(options),
      } as object);
    },

    async removeVolume(name, options = {}) {
      return await done([404], () => client.getVolume(checked("volume", name)).remove(call(options)));
    },

    async volumeBytes(options = {}) {
      const { Volumes } = await client.df(call(options));
      return new Map((Volumes ?? []).map(({ Name, UsageData }) => [Name, Math.max(0, UsageData?.Size ?? 0)]));
    },
  };
}

/** Docker's zero time and an unreadable one are no time: infinitely late, so that nothing counts as old. */
function timeOf(text: string): number {
  const ms = Date.parse(text);
  return ms > 0 ? ms : Infinity;
}
