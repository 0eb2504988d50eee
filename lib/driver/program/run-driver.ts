import { messageOf } from "../../base/errors.ts";
import { parseFaults } from "../../base/faults.ts";
import { processLog } from "../../base/log.ts";
import { retry } from "../../base/retry.ts";
import { abortable, aborted } from "../../base/signals.ts";
import type { Driver } from "../driver.ts";
import { keepEvents } from "../conveyor/keep-events.ts";
import { registerResources } from "../conveyor/register-resources.ts";
import { ServerRuns } from "../conveyor/server-runs.ts";
import { startInstance } from "../instance.ts";
import { askEngine } from "../host/run-state.ts";
import { keepHouse } from "../host/housekeeping.ts";
import { environment } from "./command-line/environment.ts";
import { EXIT } from "./command-line/exit-codes.ts";
import { startProcessLog } from "./command-line/process-log.ts";
import { readPolicy } from "./policy-flags.ts";
import { reachDocker } from "./reach-docker.ts";
import type { Stop } from "./stop/stop.ts";
import { listenForStop } from "./stop/stop-requests.ts";
import { checkBrokerFlags } from "./broker/check-broker-flags.ts";
import type { DriverOptions } from "./driver-flags.ts";
import { driverSettings } from "./driver-settings.ts";
import { DriverMetrics } from "./health/driver-metrics.ts";
import { DriverStatus } from "./health/driver-status.ts";
import { serveHealth } from "./health/serve-health.ts";
import { awaitBroker } from "./broker/await-broker.ts";
import { type Owner, workForEachOwner } from "./broker/each-owner.ts";
import { openBroker } from "./broker/open-broker.ts";
import { tellServiceManager } from "./service-manager.ts";
import { withoutDocker } from "./without-docker.ts";

/**
 * Runs one instance of the driver: takes events from the broker until the first signal of the process, or
 * until `stop` aborts, then finishes those in hand. If broker, API or Docker becomes unreachable later, waits
 * for it. Throws InputError, UnavailableError.
 */
export async function runDriver(
  driver: Driver,
  options: DriverOptions,
  { stop }: { stop?: AbortSignal | undefined } = {},
): Promise<void> {
  startProcessLog({
    level: options.logLevel,
    format: options.logFormat,
    write: (line) => process.stderr.write(line),
  });
  await checkBrokerFlags(options);
  const policy = driver.policy && await readPolicy(driver.policy, options);

  const stopping = new AbortController();
  const signal = stop ? AbortSignal.any([stopping.signal, stop]) : stopping.signal;
  using requests = listenForStop({
    onFirst({ verdict }) {
      tellServiceManager("stopping", environment);
      stopping.abort(new DOMException(verdict.message, "AbortError"));
    },
    onSecond: leaveAtOnce,
  });
  const isStopped = () => signal.aborted;
  const { usesDocker = true } = driver;
  const status = new DriverStatus({ usesDocker, slots: options.concurrency });
  const metrics = new DriverMetrics(driver.name);
  try {
    await using _health = options.health && await openHealth(options.health, status, metrics);
    await using reaching = usesDocker
      ? reachDocker({ endpoint: options.docker, environment, signal })
      : withoutDocker();
    await using transport = await awaitBroker(
      () => openBroker(options, `conveyor-${driver.name}`),
      { waitMs: options.wait, signal, category: "driver" },
    );
    status.broker = transport;
    const settingsFor = async (owner: string) => {
      const { docker, info } = await reaching.answer;
      return { docker, info, settings: driverSettings(options, { owner, info }) };
    };
    const work = async ({ owner, isConveyors }: Owner, signal: AbortSignal) => {
      const { docker, info, settings } = await settingsFor(owner);
      status.docker = docker;
      status.host = usesDocker ? { docker, info, owner } : undefined;
      const { api, resource: resources = driver.resources } = options;
      const credentials = { ...options, token: environment.CONVEYOR_TOKEN };
      await using runs = isConveyors
        ? new ServerRuns({
          ...{ api, credentials, resources, transport },
          ...{ driver: driver.name, host: settings.host, ackWaitMs: options.ackWait },
        })
        : undefined;
      if (isConveyors) {
        const keeping = { maxAgeMs: options.keepArtifacts, maxBytes: options.maxStored };
        void retry(() => transport.keepArtifacts(keeping)).catch((error) =>
          processLog("driver").warn("Cannot bound what is kept of artifacts: {why}", {
            why: messageOf(error),
          })
        );
        await keepEvents(driver, { transport, resources, ackWaitMs: options.ackWait, signal });
      }
      if (driver.housekeep) {
        await runs?.listen({
          whyFull: () => status.instance?.whyFull,
          refuse: async (event) => await status.instance?.refuse(event) ?? false,
        });
      }
      const askRun = runs?.askRun ?? askEngine(transport, driver.name);
      await using instance = startInstance({
        driver,
        transport,
        docker,
        settings,
        policy,
        concurrency: options.concurrency,
        claimsOnly: !isConveyors,
        maxEventAgeMs: options.maxEventAge,
        ackWaitMs: options.ackWait,
        faultPoint: parseFaults(environment.CONVEYOR_FAULT),
        observer: metrics,
        askRun,
        isAnswered: runs?.isAnswered,
        ...options.resource && { resources: options.resource },
      });
      status.instance = instance;
      await abortable(instance.ready, signal);
      status.isConsuming = true;
      const log = processLog("driver");
      log.info("Driver {name} takes events of {resources} on host {host}", {
        name: driver.name,
        resources: (options.resource ?? driver.resources).join(", "),
        host: settings.host,
      });
      tellServiceManager("ready", environment);
      if (isConveyors) {
        const mode = options.register;
        void registerResources(driver, { api, resources, credentials, mode, againMs: LOOK_EVERY_MS, signal });
      }
      // Resolves at the first signal.
      await keepHouse(driver, { docker, settings, policy, askRun, signal, ...runs && { news: runs.news } });
      await aborted(signal);
      status.isConsuming = false;
      log.info("{why}: driver {name} takes no more events and finishes the {count} in hand", {
        why: messageOf(signal.reason),
        name: driver.name,
        count: instance.inHand,
      });
      // Events in hand are worthless once the broker has another owner.
      await instance.drain(isStopped() ? options.drain : 0);
    };
    const clear = async ({ owner }: Owner, signal: AbortSignal) => {
      const { docker, settings } = await settingsFor(owner);
      await driver.housekeep?.({ docker, settings, policy, askRun: () => Promise.resolve("over"), signal });
    };
    const working = workForEachOwner(transport, { everyMs: LOOK_EVERY_MS, signal, work, clear });
    // Fail at once if Docker is unreachable, whoever owns the broker.
    await Promise.race([working, reaching.answer.then(() => working)]);
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  } finally {
    if (requests.first?.exit === EXIT.defect) process.exitCode = EXIT.defect;
  }
}

/**
 * How often to check whether the broker's owner has changed or a Conveyor server has lost its data,
 * milliseconds.
 */
const LOOK_EVERY_MS = 60_000;

async function openHealth(
  address: NonNullable<DriverOptions["health"]>,
  status: DriverStatus,
  metrics: DriverMetrics,
): Promise<AsyncDisposable> {
  const health = await serveHealth({
    ...address,
    reasons: () => status.reasons(),
    metrics: async () => metrics.text(await status.gauges()),
  });
  processLog("driver").info("Serves health and figures at {url}", { url: health.url });
  return health;
}

function leaveAtOnce({ exit }: Stop): never {
  process.stderr.write("Left at once; what was in hand goes to another instance after the ack wait\n");
  process.exit(exit);
}
