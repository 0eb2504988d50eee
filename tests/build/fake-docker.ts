import { type Plan, planStep } from "../../lib/build/plan.ts";
import type { BuildContext } from "../../lib/build/policy.ts";
import type {
  ContainerInfo,
  ContainerSpec,
  DaemonInfo,
  Docker,
  ExecSpec,
  ImageInfo,
  ListedContainer,
  OutputChunk,
} from "../../lib/docker/docker.ts";
import { SCRIPT } from "../../lib/build/artifacts/script.ts";
import { DockerError } from "../../lib/docker/docker.ts";
import { turns } from "../support/until.ts";
import type { FakeWorkspace } from "./fake-workspace.ts";

/** What a command does in a container: its exit code, and what it writes. */
export type Answer = number | {
  readonly exitCode?: number;
  readonly stdout?: string;
  readonly stderr?: string;
  /** Goes on until its container is killed or nobody reads it any more (default false). */
  readonly hangs?: boolean;
};

export interface FakeOptions {
  readonly exec?: (
    spec: ExecSpec & { readonly input: string },
    container: string,
  ) => Answer | Promise<Answer>;
  /** A workspace, for the commands that look for files in it. */
  readonly workspace?: FakeWorkspace;
  /** What a container that keeps its log has printed. */
  readonly printed?: string;
  /** What a container prints at its start, before it is ready. */
  readonly prints?: string;
  readonly image?: Partial<ImageInfo>;
}

type Container = ContainerInfo & ListedContainer & { spec?: ContainerSpec };

const GIB = 1024 ** 3;
export const DAEMON = {
  id: "d",
  name: "host",
  cpus: 4,
  architecture: "amd64",
  memory: 10 * GIB,
  filtersBridges: true,
  now: 1_000_000,
} as unknown as DaemonInfo;
export const IMAGE: ImageInfo = { id: "sha256:0123456789abcdef", user: "", architecture: "amd64", env: {} };

/** A daemon in memory: containers, volumes and networks by name, and what was done to them, in order. */
export function fakeDocker(
  { exec = () => 0, prints = "", image = {}, workspace, printed = "" }: FakeOptions = {},
) {
  const containers = new Map<string, Container>();
  const volumes = new Map<string, Readonly<Record<string, string>>>();
  const networks = new Map<string, Readonly<Record<string, string>>>();
  const did: string[] = [];
  const ran: (ExecSpec & { input: string })[] = [];
  const find = (name: string) => [...containers.values()].find((one) => one.id === name || one.name === name);
  const has = (labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>) =>
    Object.entries(wanted).every(([key, value]) => value === "" ? key in labels : labels[key] === value);
  const add = (name: string, labels: Readonly<Record<string, string>>, more: Partial<Container> = {}) => {
    const id = `id-${name}`;
    const state = "running" as const;
    const info = { image: "i", user: "", env: {}, createdAt: 0, createdSecond: 0, volumes: {} };
    containers.set(id, { ...info, id, name, labels, state, ...more });
    return containers.get(id) as Container;
  };
  const set = (id: string, changes: Partial<Container>) => {
    const found = find(id);
    if (found) containers.set(found.id, { ...found, ...changes });
  };
  const docker: Partial<Docker> = {
    endpoint: "fake",
    info: () => Promise.resolve(DAEMON),
    now: () => Promise.resolve(DAEMON.now),
    inspect: (name: string) => Promise.resolve(find(name)),
    inspectImage: () => Promise.resolve({ ...IMAGE, ...image }),
    list: (labels: Record<string, string>) =>
      Promise.resolve(
        [...containers.values()].filter((one) => has(one.labels, labels))
          .map(({ id, name, labels, state, createdSecond, volumes }) => (
            { id, name, labels, state, createdSecond, volumes }
          )),
      ),
    create(spec: ContainerSpec) {
      if (find(spec.name)) return Promise.reject(new DockerError("the name is taken", { status: 409 }));
      did.push(`create ${spec.name}`);
      const { volume, mounts = [] } = spec;
      const named = [...volume ? [volume] : [], ...mounts].flatMap((mount) =>
        "name" in mount ? [[mount.target, mount.name]] : []
      );
      return Promise.resolve(
        add(spec.name, spec.labels, { state: "created", spec, volumes: Object.fromEntries(named) }).id,
      );
    },
    start(id: string) {
      if (!find(id)) return Promise.reject(new DockerError(`No such container: ${id}`, { status: 404 }));
      did.push(`start ${id}`);
      set(id, { state: "running" });
      return Promise.resolve();
    },
    attach: () => Promise.resolve({ output: said([["stdout", `${prints}conveyor: ready\n`]]), detach() {} }),
    rename(id: string, name: string) {
      if (find(name)) return Promise.resolve(false);
      did.push(`rename ${id} ${name}`);
      set(id, { name });
      return Promise.resolve(true);
    },
    remove(id: string) {
      did.push(`remove ${id}`);
      return Promise.resolve(containers.delete(id));
    },
    kill(name: string) {
      const found = find(name);
      if (found?.state !== "running") return Promise.resolve(false);
      if (found.spec?.removesItself) containers.delete(found.id);
      else set(name, { state: "exited" });
      return Promise.resolve(true);
    },
    pause: (id: string) => Promise.resolve(set(id, { state: "paused" })),
    unpause: (id: string) => Promise.resolve(set(id, { state: "running" })),
    logs: () => Promise.resolve(said([["stdout", printed]])),
    copyOut: (_: string, path: string) => Promise.resolve(workspace?.copyOut(path)),
    exists: () => Promise.resolve(true),
    processes: () => Promise.resolve([{ pid: 2, command: "sleep 2147483647", isKilled: false, seconds: 1 }]),
    events: () => Promise.resolve([]),
    isAtProcessLimit: () => Promise.resolve(false),
    async exec(container: string, spec: ExecSpec) {
      if (find(container)?.state !== "running") {
        throw new DockerError(`container ${container} is not running`, { status: 409 });
      }
      if (workspace && spec.command[2] === SCRIPT) {
        const output = asOutput(workspace.session(spec));
        return { id: "e", output, exitCode: () => Promise.resolve(0), detach() {} };
      }
      const input: Uint8Array[] = [];
      for await (const chunk of spec.stdin ?? []) input.push(new Uint8Array(chunk));
      const given = { ...spec, input: Buffer.concat(input).toString() };
      ran.push(given);
      const answer = await exec(given, container);
      const { exitCode = 0, stdout = "", stderr = "", hangs = false } = typeof answer === "number"
        ? { exitCode: answer, hangs: false }
        : answer;
      const left = Promise.withResolvers<void>();
      const output = (async function* () {
        yield* said([["stdout", stdout], ["stderr", stderr]]);
        if (hangs) await left.promise;
      })();
      const code = () => Promise.resolve(hangs ? undefined : exitCode);
      return { id: "e", output, exitCode: code, detach: () => left.resolve() };
    },
    volumes: (labels: Record<string, string>) =>
      Promise.resolve(
        [...volumes].filter(([, own]) => has(own, labels)).map(([name, labels]) => (
          { name, labels, mountpoint: `/volumes/${name}`, createdAt: 0 }
        )),
      ),
    createVolume({ name, labels }: { name: string; labels: Record<string, string> }) {
      did.push(`create volume ${name}`);
      volumes.set(name, labels);
      return Promise.resolve();
    },
    removeVolume(name: string) {
      if ([...containers.values()].some((one) => Object.values(one.volumes).includes(name))) {
        return Promise.reject(new DockerError(`volume ${name} is in use`, { status: 409 }));
      }
      did.push(`remove volume ${name}`);
      return Promise.resolve(volumes.delete(name));
    },
    networks: (labels: Record<string, string>) =>
      Promise.resolve(
        [...networks].filter(([, own]) => has(own, labels)).map(([name, labels]) => ({
          id: name,
          name,
          labels,
          createdAt: 0,
        })),
      ),
    network: (name: string) => {
      const labels = networks.get(name);
      return Promise.resolve(labels && { id: name, labels, isolated: name === "conveyor" });
    },
    createNetwork({ name, labels }: { name: string; labels: Record<string, string> }) {
      networks.set(name, labels);
      return Promise.resolve(name);
    },
    removeNetwork(id: string) {
      did.push(`remove network ${id}`);
      return Promise.resolve(networks.delete(id));
    },
    async *changes() {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { docker: answeringLater(docker as Docker), containers, volumes, networks, did, ran, add };
}

/**
 * A daemon does what it is asked some time after it was asked: what does not wait for the answer goes on
 * before it is done.
 */
function answeringLater(docker: Docker): Docker {
  const later = Object.entries(docker).map(([name, member]) => {
    if (typeof member !== "function" || name === "changes") return [name, member];
    return [name, async (...given: unknown[]) => {
      await turns(1);
      return await member.apply(docker, given);
    }];
  });
  return { ...docker, ...Object.fromEntries(later) };
}

/** The plan of a step's spec, as far as its policy allows it. */
export const planFor = ({ resource, policy, settings }: BuildContext): Plan =>
  planStep(resource.spec, { ...settings, ...policy });

async function* asOutput(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<OutputChunk> {
  for await (const data of bytes) yield { stream: "stdout", data };
}

async function* said(chunks: [OutputChunk["stream"], string][]): AsyncGenerator<OutputChunk> {
  for (const [stream, text] of chunks) {
    if (text !== "") yield await Promise.resolve({ stream, data: Buffer.from(text) });
  }
}
