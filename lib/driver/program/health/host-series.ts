import type { Series } from "../../../base/metrics.ts";
import { abortable } from "../../../base/signals.ts";
import { timeoutSignal } from "../../../base/timers.ts";
import type { DaemonInfo, Docker } from "../../../docker/docker.ts";
import { freeBytes } from "../../host/free-disk.ts";
import { LABELS } from "../../host/labels.ts";

/** Where the containers of a driver are. */
export interface DockerHost {
  readonly docker: Pick<Docker, "endpoint" | "list">;
  readonly info: Pick<DaemonInfo, "rootFolder">;
  readonly owner: string;
}

const ANSWER_MS = 3000;
/** Always there, so that a graph of them begins at 0. */
const STATES = ["running", "exited"];

/** Returns the containers of this installation on a host, and the room that Docker has there. */
export async function hostSeries({ docker, info, owner }: DockerHost): Promise<Series[]> {
  const [containers, free] = await Promise.all([
    ifItAnswers((signal) => docker.list({ [LABELS.owner]: owner }, { signal })),
    ifItAnswers(() => freeBytes(docker, info)),
  ]);
  const byState = new Map(STATES.map((state) => [state, 0]));
  for (const { state } of containers ?? []) byState.set(state, (byState.get(state) ?? 0) + 1);
  return [
    {
      name: "conveyor_containers",
      help: "Containers of this installation on Docker's host, by state.",
      type: "gauge",
      samples: containers ? Array.from(byState, ([state, value]) => ({ labels: { state }, value })) : [],
    },
    {
      name: "conveyor_docker_free_bytes",
      help: "Free space where Docker keeps its containers, if that is on this machine.",
      type: "gauge",
      samples: free === undefined ? [] : [{ value: free }],
    },
  ];
}

/**
 * Returns the answer; undefined if there is none within three seconds: what cannot be known has no sample,
 * and the others are told all the same.
 */
export async function ifItAnswers<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
  const signal = timeoutSignal(ANSWER_MS);
  try {
    return await abortable(ask(signal), signal);
  } catch {
    return undefined;
  }
}
