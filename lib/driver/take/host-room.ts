import type { Transport } from "../../backend/transport.ts";
import { retry } from "../../base/retry.ts";
import type { Docker } from "../../docker/docker.ts";
import { subjects } from "../../wire/subjects.ts";
import type { Leases } from "../claim/leases.ts";
import type { Driver, DriverSettings } from "../driver.ts";
import type { AskRun } from "../host/run-state.ts";
import { decodeEvent } from "../understand/decode.ts";
import type { Admit } from "./requests.ts";

export interface HostRoomServices {
  readonly driver: Driver;
  readonly resources: readonly string[];
  readonly transport: Transport;
  readonly docker: Docker;
  readonly settings: DriverSettings;
  readonly policy: unknown;
  readonly leases: Leases;
  readonly askRun: AskRun;
}

/** Whether this host has room for the driver's next event; since when, and why, it has none. */
export class HostRoom {
  readonly #services: HostRoomServices;
  #fullSince: number | undefined;
  #whyFull: string | undefined;

  constructor(services: HostRoomServices) {
    this.#services = services;
  }

  /** How long there has been no room, milliseconds; 0 if there is room. */
  get fullMs(): number {
    return this.#fullSince === undefined ? 0 : performance.now() - this.#fullSince;
  }

  /** Why there is no room, worded for a run's log. */
  get whyFull(): string | undefined {
    return this.#whyFull;
  }

  /** Asks the driver. Undefined for a driver that always has room. */
  get admit(): Admit | undefined {
    return this.#services.driver.admit && ((inHand, asked) => this.#admit(inHand, asked));
  }

  /** Tells an engine that asks why an event waits. Undefined for a driver that always has room. */
  serve(signal: AbortSignal): Promise<AsyncDisposable> | undefined {
    const { driver, transport } = this.#services;
    const answer = () => Promise.resolve(JSON.stringify({ why: this.#whyFull }));
    return driver.admit && retry(() => transport.serve(subjects.room(driver.name), answer), { signal });
  }

  async #admit(inHand: number, { here, signal }: Parameters<Admit>[1]): Promise<boolean> {
    const { driver, resources, docker, settings, policy, leases, askRun } = this.#services;
    if (!here) this.#fullSince ??= performance.now();
    const hasRoom = await driver.admit?.({
      ...{ docker, settings, policy, inHand, askRun, signal },
      runs: leases.runs,
      run: here && decodeEvent(here.data, resources).run,
      isHere: here !== undefined,
      tell: (why) => this.#whyFull = why,
    }) ?? true;
    if (!here) this.#fullSince = this.#whyFull = undefined;
    return hasRoom;
  }
}
