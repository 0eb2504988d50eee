import Dockerode from "dockerode";
import { containerOptions, environmentList } from "./container-options.ts";
import {
  type CallOptions,
  type ContainerInfo,
  type DaemonInfo,
  type Docker,
  DockerError,
  type Exec,
  type ExecSpec,
  type ListedContainer,
  type RegistryLogin,
} from "./docker.ts";
import type { DockerEndpoint } from "./endpoint.ts";
import { parseImageName } from "./image-name.ts";
import { jsonLines } from "./json-lines.ts";
import { type Hijacked, openModem } from "./modem.ts";
import { type ExecState, openExec } from "./open-exec.ts";
import { followPull } from "./pull-progress.ts";

/** A name or id that can exist; anything else would be a path to another part of the daemon. */
const REFERENCE = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** What dockerode's types leave out: options that these calls take, and what they answer. */
interface Client extends Omit<Dockerode, "info" | "getNetwork"> {
  info(options: object): Promise<{
    readonly ID: string;
    readonly Name: string;
    readonly ServerVersion: string;
    readonly NCPU: number;
    readonly MemTotal: number;
    readonly BridgeNfIptables?: boolean;
    readonly DockerRootDir: string;
    readonly SystemTime: string;
  }>;
  getNetwork(id: string): {
    inspect(options: object): Promise<{ Id: string; Name: string; Labels: Record<string, string> | null }>;
    remove(options: object): Promise<unknown>;
  };
}

/** Docker at `endpoint`, over dockerode. Opens no connection before the first call. */
export function connectDocker(endpoint: DockerEndpoint): Docker {
  const modem = openModem(endpoint);
  const client = new Dockerode({ modem } as object) as unknown as Client;

  const container = (reference: string) => client.getContainer(checked("container", reference));
  const network = (name: string) => client.getNetwork(checked("network", name));

  async function inspect(reference: string, options: CallOptions = {}): Promise<ContainerInfo | undefined> {
    const found = await answered([404], () => container(reference).inspect(call(options)));
    if (!found) return undefined;
    return {
      id: found.Id,
      name: found.Name.replace(/^\//, ""),
      image: found.Config.Image,
      labels: found.Config.Labels ?? {},
      state: found.State.Status as ContainerInfo["state"],
      user: found.Config.User,
      createdAt: Date.parse(found.Created),
    };
  }

  async function info(options: CallOptions = {}): Promise<DaemonInfo> {
    const info = await client.info(call(options));
    return {
      id: info.ID,
      name: info.Name,
      version: info.ServerVersion,
      cpus: info.NCPU,
      memory: info.MemTotal,
      // Daemons that do not say so any more load the filter themselves, or refuse to create such a bridge.
      filtersBridges: info.BridgeNfIptables ?? true,
      rootFolder: info.DockerRootDir,
      now: Date.parse(info.SystemTime),
    };
  }

  async function now(options: CallOptions = {}): Promise<number> {
    return (await info(options)).now;
  }

  async function exec(reference: string, spec: ExecSpec, options: CallOptions = {}): Promise<Exec> {
    const created = await container(reference).exec({
      Cmd: [...spec.command],
      Env: environmentList(spec.env ?? {}),
      ...(spec.user === undefined ? {} : { User: spec.user }),
      ...(spec.workdir === undefined ? {} : { WorkingDir: spec.workdir }),
      AttachStdin: spec.stdin !== undefined,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
      ...call(options),
    });
    const connection = await created.start(
      { hijack: true, _body: { Detach: false, Tty: false }, ...call(options) } as Dockerode.ExecStartOptions,
    );
    return openExec({
      id: created.id,
      endpoint: endpoint.name,
      connection: connection as unknown as Hijacked,
      stdin: spec.stdin,
      inspect: () => created.inspect() as Promise<ExecState>,
    });
  }

  return {
    endpoint: endpoint.name,
    info,
    inspect,
    now,
    exec,

    async inspectImage(image, options = {}) {
      parseImageName(image);
      const found = await answered([404], () => client.getImage(image).inspect(call(options) as object));
      return found && { id: found.Id, user: found.Config?.User ?? "", architecture: found.Architecture };
    },

    async pull(image, { login, onProgress, ...options } = {}) {
      const { registry, repository, tag, digest } = parseImageName(image);
      const stream = await client.createImage(login && registryAuth(login), {
        fromImage: `${registry}/${repository}`,
        tag: digest ?? tag,
        ...call(options),
      });
      await followPull(stream as unknown as AsyncIterable<Uint8Array>, onProgress);
    },

    async create(spec, options = {}) {
      const created = await client.createContainer({
        _query: { name: checked("container", spec.name) },
        _body: containerOptions(spec),
        ...call(options),
      } as Dockerode.ContainerCreateOptions);
      return created.id;
    },

    async start(reference, options = {}) {
      await done([304], () => container(reference).start(call(options)));
    },

    async list(labels, options = {}) {
      const found = await client.listContainers({
        all: true,
        filters: labelFilter(labels),
        ...call(options),
      });
      return found.map(({ Id, Names, Labels, State, Created }) => ({
        id: Id,
        name: ownName(Names),
        labels: Labels ?? {},
        state: State as ListedContainer["state"],
        createdSecond: Created,
      }));
    },

    async processes(reference, options = {}) {
      const found = await answered(
        [404, 409],
        () => container(reference).top({ ps_args: "-eo pid,args", ...call(options) }),
      );
      const rows = (found?.Processes ?? []) as string[][];
      return rows.map(([pid, command]) => ({ pid: Number(pid), command: command ?? "" }));
    },

    async kill(reference, options = {}) {
      return await done([404, 409], () => container(reference).kill(call(options)));
    },

    async remove(reference, options = {}) {
      const remove = () => container(reference).remove({ force: true, v: true, ...call(options) });
      try {
        return await done([404], remove);
      } catch (error) {
        if (!hasStatus(error, [409])) throw error;
      }
      // Somebody else's removal is under way; "not there" while we wait is what we waited for.
      await answered([404], () => container(reference).wait({ condition: "removed", ...call(options) }));
      return true;
    },

    async copyIn(reference, folder, tar, options = {}) {
      await container(reference).putArchive(tar as unknown as NodeJS.ReadableStream, {
        path: folder,
        ...call(options),
      });
    },

    async copyOut(reference, path, options = {}) {
      const found = await answered([404], () => container(reference).getArchive({ path, ...call(options) }));
      return found as unknown as AsyncIterable<Uint8Array> | undefined;
    },

    async exists(reference, path, options = {}) {
      return await done([404], () => container(reference).infoArchive({ path, ...call(options) }));
    },

    async oomEvents(reference, sinceMs, options = {}) {
      const stream = await client.getEvents({
        since: seconds(sinceMs),
        until: seconds(await now(options)),
        filters: { container: [reference], type: ["container"], event: ["oom"] },
        ...call(options),
      } as object);
      let count = 0;
      for await (const _ of jsonLines(stream as unknown as AsyncIterable<Uint8Array>)) count++;
      return count;
    },

    async networks(labels, options = {}) {
      const found = await client.listNetworks({ filters: labelFilter(labels), ...call(options) });
      return found.map(({ Id, Name, Labels }) => ({ id: Id, name: Name, labels: Labels ?? {} }));
    },

    async network(name, options = {}) {
      const found = await answered([404], () => network(name).inspect(call(options)));
      // The daemon takes the beginning of an id for a name, too.
      if (!found || (found.Name !== name && found.Id !== name)) return undefined;
      return { id: found.Id, labels: found.Labels ?? {} };
    },

    async createNetwork({ name, labels, isolated }, options = {}) {
      const created = await client.createNetwork({
        _query: {},
        _body: {
          Name: checked("network", name),
          CheckDuplicate: true,
          Driver: "bridge",
          Labels: labels,
          Options: isolated ? { "com.docker.network.bridge.enable_icc": "false" } : {},
        },
        ...call(options),
      } as unknown as Dockerode.NetworkCreateOptions);
      return created.id;
    },

    async removeNetwork(id, options = {}) {
      return await done([404], () => network(id).remove(call(options)));
    },

    async volumes(labels, options = {}) {
      const found = await client.listVolumes({ filters: labelFilter(labels), ...call(options) });
      return (found.Volumes ?? []).map(({ Name, Labels }) => ({ name: Name, labels: Labels ?? {} }));
    },

    async removeVolume(name, options = {}) {
      return await done([404], () => client.getVolume(checked("volume", name)).remove(call(options)));
    },

    [Symbol.asyncDispose]() {
      modem.close();
      return Promise.resolve();
    },
  };
}

/** What the daemon passes on to the registry. */
function registryAuth(login: RegistryLogin): object {
  return {
    serveraddress: login.serverAddress,
    ...(login.identityToken === undefined
      ? { username: login.username, password: login.password }
      : { identitytoken: login.identityToken }),
  };
}

function call({ signal }: CallOptions): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}

/** The name if it can be one; what cannot be is not there. */
function checked(what: string, reference: string): string {
  if (REFERENCE.test(reference)) return reference;
  throw new DockerError(`No such ${what}: "${reference}"`, { status: 404 });
}

/** The call's answer, or undefined where the daemon says one of these. */
async function answered<T>(statuses: readonly number[], ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (hasStatus(error, statuses)) return undefined;
    throw error;
  }
}

/** Whether the call did it, or the daemon says one of these: there was nothing to do. */
async function done(statuses: readonly number[], act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (hasStatus(error, statuses)) return false;
    throw error;
  }
}

function hasStatus(error: unknown, statuses: readonly number[]): boolean {
  return error instanceof DockerError && statuses.includes(error.status);
}

/** Beside its own name, `/name`, a container has one under every container that is linked to it: `/other/alias`. */
function ownName(names: readonly string[]): string {
  return names.find((name) => name.lastIndexOf("/") === 0)?.slice(1) ?? "";
}

function labelFilter(labels: Readonly<Record<string, string>>): { label: string[] } {
  return { label: Object.entries(labels).map(([key, value]) => value === "" ? key : `${key}=${value}`) };
}

/** As the daemon reads times: `1700000000.042`. */
function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
