import type { Garbage } from "../base/garbage.ts";
import { answered, call, checked, done } from "./calls.ts";
import type { AttachOptions, Client, ExecStartOptions } from "./client.ts";
import { environmentList } from "./container-options.ts";
import type { Docker } from "./docker.ts";
import type { Hijacked } from "./modem.ts";
import { openAttached } from "./open-attached.ts";
import { type ExecState, openExec } from "./open-exec.ts";

/** Calls inside a container: processes and files. `endpoint` is for messages. */
export function insideCalls(
  client: Client,
  { endpoint, garbage }: { endpoint: string; garbage: Garbage },
): Pick<Docker, "attach" | "exec" | "copyIn" | "copyOut" | "exists"> {
  const container = (reference: string) => client.getContainer(checked("container", reference));
  return {
    async attach(reference, options = {}) {
      const connection = await container(reference).attach({
        hijack: true,
        _query: { stream: true, stdout: true, stderr: true },
        _body: {},
        ...call(options),
      } as unknown as AttachOptions);
      return openAttached(endpoint, connection as unknown as Hijacked, garbage);
    },

    async exec(reference, spec, options = {}) {
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
        { hijack: true, _body: { Detach: false, Tty: false }, ...call(options) } as ExecStartOptions,
      );
      return openExec({
        id: created.id,
        endpoint,
        connection: connection as unknown as Hijacked,
        garbage,
        stdin: spec.stdin,
        inspect: () => created.inspect() as Promise<ExecState>,
      });
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
  };
}
