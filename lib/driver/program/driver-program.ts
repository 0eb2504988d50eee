import type { NatsBackend } from "../../backend/nats/transport.ts";
import { messageOf } from "../../base/errors.ts";
import { parseFaults } from "../../base/faults.ts";
import { processLog } from "../../base/log.ts";
import { retry } from "../../base/retry.ts";
import { abortable, aborted } from "../../base/signals.ts";
import type { DaemonInfo, Docker } from "../../docker/docker.ts";
import type { Api } from "../conveyor/ask-api.ts";
import { keepBounded } from "../conveyor/keep-bounded.ts";
import { keepEvents } from "../conveyor/keep-events.ts";
import { registerResources } from "../conveyor/register-resources.ts";
import { ServerRuns } from "../conveyor/server-runs.ts";
import type { Driver, DriverSettings } from "../driver.ts";
import { keepHouse } from "../host/housekeeping.ts";
import { askEngine, type AskRun } from "../host/run-state.ts";
import { type Instance, startInstance } from "../instance.ts";
import type { Owner } from "./broker/each-owner.ts";
import { environment } from "./command-line/environment.ts";
import type { DriverOptions } from "./driver-flags.ts";
import { driverSettings } from "./driver-settings.ts";
import type { DriverMetrics } from "./health/driver-metrics.ts";
import type { DriverStatus } from "./health/driver-status.ts";
import { tellServiceManager } from "./service-manager.ts";

/**
 * How often to check whether the broker's owner has changed or a Conveyor server has lost its data,
 * milliseconds.
 */
export const LOOK_EVERY_MS = 60_000;

/** What a driver's program has opened before it works. */
export interface ProgramParts {
  readonly driver: Driver;
  readonly options: DriverOptions;
  readonly policy: unknown;
  readonly transport: NatsBackend;
  readonly docker: Promise<{ docker: Docker; info: DaemonInfo }>;
  readonly status: DriverStatus;
  readonly metrics: DriverMetrics;
  /** Aborts when the program is told to end. */
  readonly stop: AbortSignal;
}

/** This host, as the driver works on it for an owner. */
interface Host {
  readonly docker: Docker;
  readonly info: DaemonInfo;
  readonly settings: DriverSettings;
}

/** The work of a driver's program, for one owner of the broker after another. */
export class DriverProgram {
  readonly #parts: ProgramParts;

  constructor(parts: ProgramParts) {
    this.#parts = parts;
  }

  /** Takes events of the owner's runs until `signal` aborts, then finishes those in hand. */
  async work({ owner, isConveyors }: Owner, signal: AbortSignal): Promise<void> {
    const { driver, options, policy, transport, status, stop } = this.#parts;
    const host = await this.#hostOf(owner);
    status.docker = host.docker;
    status.host = driver.usesDocker === false ? undefined : { docker: host.docker, info: host.info, owner };
    await using runs = isConveyors ? this.#serverRuns(host) : undefined;
    if (runs) await this.#join(runs, signal);
    const askRun = runs?.askRun ?? askEngine(transport, driver.name);
    await using instance = this.#start(host, askRun, runs);
    status.instance = instance;
    await abortable(instance.ready, signal);
    status.isConsuming = true;
    const log = processLog("driver");
    log.info("Driver {name} takes events of {resources} on host {host}", {
      name: driver.name,
      resources: this.#resources.join(", "),
      host: host.settings.host,
    });
    tellServiceManager("ready", environment);
    if (isConveyors) this.#register(signal);
    const { docker, settings } = host;
    await keepHouse(driver, { docker, settings, policy, askRun, signal, ...runs && { news: runs.news } });
    await aborted(signal);
    status.isConsuming = false;
    log.info("{why}: driver {name} takes no more events and finishes the {count} in hand", {
      why: messageOf(signal.reason),
      name: driver.name,
      count: instance.inHand,
    });
    // Events in hand are worthless once the broker has another owner.
    await instance.drain(stop.aborted ? options.drain : 0);
  }

  /** Removes what ran for an owner that is gone. */
  async clear({ owner }: Owner, signal: AbortSignal): Promise<void> {
    const { driver, policy } = this.#parts;
    const { docker, settings } = await this.#hostOf(owner);
    await driver.housekeep?.({ docker, settings, policy, askRun: () => Promise.resolve("over"), signal });
  }

  get #resources(): readonly string[] {
    return this.#parts.options.resource ?? this.#parts.driver.resources;
  }

  async #hostOf(owner: string): Promise<Host> {
    const { docker, info } = await this.#parts.docker;
    return { docker, info, settings: driverSettings(this.#parts.options, { owner, info }) };
  }

  #start({ docker, settings }: Host, askRun: AskRun, runs: ServerRuns | undefined): Instance {
    const { driver, options, policy, transport, metrics } = this.#parts;
    return startInstance({
      ...{ driver, transport, docker, settings, policy, askRun },
      concurrency: options.concurrency,
      claimsOnly: !runs,
      maxEventAgeMs: options.maxEventAge,
      ackWaitMs: options.ackWait,
      faultPoint: parseFaults(environment.CONVEYOR_FAULT),
      observer: metrics,
      isAnswered: runs?.isAnswered,
      ...options.resource && { resources: options.resource },
    });
  }

  get #api(): Api {
    const { options } = this.#parts;
    return { api: options.api, credentials: { ...options, token: environment.CONVEYOR_TOKEN } };
  }

  #serverRuns({ settings: { host } }: Host): ServerRuns {
    const { driver, options, transport } = this.#parts;
    const given = { driver: driver.name, resources: this.#resources, transport, ackWaitMs: options.ackWait };
    return new ServerRuns({ ...this.#api, ...given, host });
  }

  /**
   * Makes sure that a Conveyor server's broker keeps the driver's events, and artifacts only within bounds.
   */
  async #join(runs: ServerRuns, signal: AbortSignal): Promise<void> {
    const { driver, options, transport, status } = this.#parts;
    const keeping = { maxAgeMs: options.keepArtifacts, maxBytes: options.maxStored };
    void keepBounded(() => retry(() => transport.keepArtifacts(keeping)), { everyMs: LOOK_EVERY_MS, signal });
    await keepEvents(driver, { transport, resources: this.#resources, ackWaitMs: options.ackWait, signal });
    if (!driver.housekeep) return;
    await runs.listen({
      whyFull: () => status.instance?.whyFull,
      refuse: async (event) => await status.instance?.refuse(event) ?? false,
    });
  }

  /** Registers the resource types with a Conveyor server, again if it has lost them. */
  #register(signal: AbortSignal): void {
    const { driver, options: { register: mode } } = this.#parts;
    const registered = { ...this.#api, resources: this.#resources, mode, againMs: LOOK_EVERY_MS, signal };
    void registerResources(driver, registered);
  }
}
