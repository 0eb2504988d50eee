import type { NatsBackend } from "../../../backend/nats/transport.ts";
import { KeptAnswers } from "../../../base/kept-answers.ts";
import { messageOf } from "../../../base/errors.ts";
import type { Series } from "../../../base/metrics.ts";
import { timeoutSignal } from "../../../base/timers.ts";
import type { Docker } from "../../../docker/docker.ts";
import type { Instance } from "../../instance.ts";
import type { Gauges } from "./driver-metrics.ts";
import { type DockerHost, hostSeries } from "./host-series.ts";

const DOCKER_MS = 3000;
/** How long figures of Docker are kept, so that frequent requests do not keep Docker busy. */
export const FIGURES_MS = 1000;

/** The state of a driver's process; filled in while it starts. */
export class DriverStatus {
  broker: Pick<NatsBackend, "isConnected" | "reconnects"> | undefined;
  docker: Pick<Docker, "now"> | undefined;
  /** Where its containers are; undefined if it uses no Docker. */
  host: DockerHost | undefined;
  instance: Pick<Instance, "inHand" | "fullMs" | "whyFull" | "refuse"> | undefined;
  /** Events are being taken. */
  isConsuming = false;
  readonly #usesDocker: boolean;
  readonly #slots: number;
  readonly #figures = new KeptAnswers<Series[]>(FIGURES_MS);
  #asking: Promise<string | undefined> | undefined;

  constructor({ usesDocker, slots = 1 }: { usesDocker: boolean; slots?: number }) {
    this.#usesDocker = usesDocker;
    this.#slots = slots;
  }

  async gauges(): Promise<Gauges> {
    const { host: where } = this;
    const host = where ? await this.#figures.get("host", () => hostSeries(where)) : [];
    const { inHand = 0, fullMs = 0 } = this.instance ?? {};
    return { inHand, slots: this.#slots, fullMs, reconnects: this.broker?.reconnects ?? 0, host };
  }

  /**
   * Returns why no event can be handled now, one reason per line; empty if events can be handled. A full host
   * is not a reason.
   */
  async reasons(): Promise<string[]> {
    const docker = await (this.#asking ??= this.#askDocker().finally(() => this.#asking = undefined));
    const broker = this.broker?.isConnected ? undefined : "The broker is not connected";
    const consuming = this.isConsuming ? undefined : "No events are taken";
    return [broker, docker, consuming].filter((reason) => reason !== undefined);
  }

  /** Concurrent callers share one request. */
  async #askDocker(): Promise<string | undefined> {
    if (!this.#usesDocker) return undefined;
    if (!this.docker) return "Docker is not connected";
    try {
      await this.docker.now({ signal: timeoutSignal(DOCKER_MS) });
      return undefined;
    } catch (error) {
      return `Docker does not answer: ${messageOf(error)}`;
    }
  }
}
