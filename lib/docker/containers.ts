import { answered, call, checked, done, hasStatus, labelFilter } from "./calls.ts";
import { demultiplex } from "./demultiplex.ts";
import type { Client, CreateOptions, LogsOptions, RenameOptions, StatsOptions } from "./client.ts";
import { containerOptions, environmentOf } from "./container-options.ts";
import type { ContainerInfo, Docker, ListedContainer } from "./docker.ts";

type Calls = Pick<
  Docker,
  | "create"
  | "start"
  | "rename"
  | "inspect"
  | "list"
  | "logs"
  | "processes"
  | "isAtProcessLimit"
  | "kill"
  | "pause"
  | "unpause"
  | "remove"
>;

/** Bit of SIGKILL in a signal mask as printed by `ps`. */
const SIGKILL_PENDING = 1 << 8;

export function containerCalls(client: Client): Calls {
  const container = (reference: string) => client.getContainer(checked("container", reference));
  return {
    async create(spec, options = {}) {
      const created = await client.createContainer({
        _query: { name: checked("container", spec.name) },
        _body: containerOptions(spec),
        ...call(options),
      } as CreateOptions);
      return created.id;
    },

    async start(reference, { onSent, ...options } = {}) {
      const given = { ...call(options), ...onSent && { onSent } };
      await done([304], () => container(reference).start(given));
    },

    async rename(reference, name, options = {}) {
      // A daemon answers 400 if the container already has that name; some proxies and older daemons 409.
      const given = { _query: { name: checked("container", name) }, ...call(options) };
      return await done(
        [400, 404, 409],
        () => container(reference).rename(given as unknown as RenameOptions),
      );
    },

    async inspect(reference, options = {}) {
      const found = await answered([404], () => container(reference).inspect(call(options)));
      if (!found) return undefined;
      return {
        id: found.Id,
        name: found.Name.replace(/^\//, ""),
        image: found.Config.Image,
        labels: found.Config.Labels ?? {},
        state: found.State.Status as ContainerInfo["state"],
        user: found.Config.User,
        env: environmentOf(found.Config.Env),
        createdAt: Date.parse(found.Created),
        volumes: volumesOf(found.Mounts),
        ...found.State.Status === "exited" && {
          end: { exitCode: found.State.ExitCode, isOutOfMemory: found.State.OOMKilled },
        },
      };
    },

    async list(labels, options = {}) {
      const found = await client.listContainers({
        all: true,
        filters: labelFilter(labels),
        ...call(options),
      });
      return found.map(({ Id, Names, Labels, State, Created, Mounts }) => ({
        id: Id,
        name: ownName(Names),
        labels: Labels ?? {},
        state: State as ListedContainer["state"],
        createdSecond: Created,
        volumes: volumesOf(Mounts ?? []),
      }));
    },

    async logs(reference, tail, options = {}) {
      const output = await container(reference).logs(
        { follow: true, stdout: true, stderr: true, tail, ...call(options) } as LogsOptions,
      );
      return demultiplex(output as unknown as AsyncIterable<Uint8Array>);
    },

    async processes(reference, options = {}) {
      const top = async (columns: string) => {
        const columnsOnly = { ps_args: `-eo ${columns}`, ...call(options) };
        const found = await answered([404, 409], () => container(reference).top(columnsOnly));
        return (found?.Processes ?? []) as string[][];
      };
      try {
        return (await top("pid,pending,etimes,args")).map(([pid, pending = "", seconds, command = ""]) => ({
          pid: Number(pid),
          command,
          seconds: Number(seconds),
          isKilled: (Number.parseInt(pending.slice(-8), 16) & SIGKILL_PENDING) !== 0,
        }));
      } catch (error) {
        if (!hasStatus(error, [500])) throw error;
      }
      // The `ps` of a small system supports fewer columns.
      return (await top("pid,args")).map(([pid, command = ""]) => ({
        pid: Number(pid),
        command,
        seconds: undefined,
        isKilled: false,
      }));
    },

    async isAtProcessLimit(reference, options = {}) {
      const once = { stream: false, "one-shot": true, ...call(options) };
      const found = await answered(
        [404, 409],
        () => container(reference).stats(once as unknown as StatsOptions),
      );
      const { current = 0, limit = 0 } = found?.pids_stats as { current?: number; limit?: number } ?? {};
      return limit > 0 && current >= limit;
    },

    async kill(reference, options = {}) {
      return await done([404, 409], () => container(reference).kill(call(options)));
    },

    async pause(reference, options = {}) {
      await container(reference).pause(call(options));
    },

    async unpause(reference, options = {}) {
      const paused = container(reference);
      try {
        await paused.unpause(call(options));
      } catch (error) {
        // Somebody else has resumed it meanwhile: daemons answer 409 to that, older ones 500.
        if (!hasStatus(error, [409, 500]) || (await paused.inspect(call(options))).State.Paused) throw error;
      }
    },

    async remove(reference, options = {}) {
      const remove = () => container(reference).remove({ force: true, v: true, ...call(options) });
      try {
        return await done([404], remove);
      } catch (error) {
        if (!hasStatus(error, [409])) throw error;
      }
      // Another removal is under way; a 404 during the wait means that it is done.
      await answered([404], () => container(reference).wait({ condition: "removed", ...call(options) }));
      return true;
    },
  };
}

const volumesOf = (mounts: readonly { Destination: string; Name?: string | undefined }[]) =>
  Object.fromEntries(
    mounts.flatMap(({ Destination, Name }) => Name === undefined ? [] : [[Destination, Name]]),
  );

/**
 * Returns a container's own name, `/name`. It also has one for every container that is linked to it:
 * `/other/alias`.
 */
function ownName(names: readonly string[]): string {
  return names.find((name) => name.lastIndexOf("/") === 0)?.slice(1) ?? "";
}
