/**
 * Knows what a run of the suite has on the machine's Docker daemon: asks the daemon itself, without a process
 * for each question.
 */
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { LABELS } from "../../lib/build/labels.ts";

export interface DockerObject {
  readonly kind: "container" | "volume" | "network" | "image";
  readonly name: string;
}

/** Listens to the daemon, for the containers of one run of the suite. */
export interface DockerWatch extends Disposable {
  /**
   * The containers, volumes, networks and images that are there now and belong to images of this repository.
   */
  left(repository: string): Promise<DockerObject[]>;
  remove(object: DockerObject): Promise<void>;
}

/** Of an answer of the daemon, what is of use here. */
interface Listed {
  readonly Image?: string;
  readonly Name?: string;
  readonly Names?: readonly string[];
  readonly RepoTags?: readonly string[] | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

const SOCKET = (process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock").replace("unix://", "");

/**
 * `prefix` begins the repositories of images that only this run uses. An installation that makes a container
 * of such an image is one of this run, and volumes and networks are found by its label: on the same daemon,
 * others may be at work.
 */
export function watchDocker(prefix: string): DockerWatch {
  /** The repositories of the images, by owner. */
  const owners = new Map<string, string>();
  const stop = new AbortController();
  void readEvents(stop.signal, ({ image = "", [LABELS.owner]: owner }) => {
    if (image.startsWith(prefix) && owner !== undefined) owners.set(owner, repositoryOf(image));
  });
  const isOf = (repository: string, { Image = "", Labels }: Listed) =>
    repositoryOf(Image) === repository || owners.get(Labels?.[LABELS.owner] ?? "") === repository;
  const labelled = `filters=${encodeURIComponent(JSON.stringify({ label: [LABELS.owner] }))}`;
  return {
    async left(repository) {
      const [containers, volumes, networks, images] = await Promise.all([
        ask<Listed[]>("/containers/json?all=1"),
        ask<{ Volumes: Listed[] | null }>(`/volumes?${labelled}`),
        ask<Listed[]>(`/networks?${labelled}`),
        ask<Listed[]>("/images/json"),
      ]);
      const ours = (listed: readonly Listed[] | null, kind: DockerObject["kind"]): DockerObject[] =>
        (listed ?? []).filter((one) => isOf(repository, one))
          .map(({ Name, Names }) => ({ kind, name: Name ?? Names?.[0]?.slice(1) ?? "" }));
      const tags = images.flatMap(({ RepoTags }) => RepoTags ?? []);
      return [
        ...ours(containers, "container"),
        ...ours(volumes.Volumes, "volume"),
        ...ours(networks, "network"),
        ...tags.filter((tag) => repositoryOf(tag) === repository)
          .map((name): DockerObject => ({ kind: "image", name })),
      ];
    },
    async remove({ kind, name }) {
      await call("DELETE", `/${kind}s/${name}?force=1${kind === "container" ? "&v=1" : ""}`);
    },
    [Symbol.dispose]: () => stop.abort(),
  };
}

const repositoryOf = (image: string): string => image.replace(/:[^:/]*$/, "");

async function ask<T>(path: string): Promise<T> {
  const response = await call("GET", path);
  if (!response.ok) throw new Error(`Docker answers ${response.status} to ${path}`);
  return await response.json() as T;
}

function call(method: string, path: string, signal?: AbortSignal): Promise<Response> {
  return fetch(`http://docker${path}`, { method, unix: SOCKET, ...signal && { signal } });
}

/** What the daemon says of each container that is made. */
async function readEvents(
  signal: AbortSignal,
  take: (attributes: Partial<Record<string, string>>) => void,
): Promise<void> {
  const filters = encodeURIComponent(JSON.stringify({ type: ["container"], event: ["create"] }));
  try {
    const { body } = await call("GET", `/events?filters=${filters}`, signal);
    if (!body) return;
    for await (const line of createInterface(Readable.fromWeb(body as never))) {
      take(JSON.parse(line).Actor.Attributes);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
