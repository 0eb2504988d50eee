import { hostname } from "node:os";
import { systemClock } from "../../base/clock.ts";
import { messageOf, Retryable, UnavailableError } from "../../base/errors.ts";
import { type Faults, parseFaults } from "../../base/faults.ts";
import { processLog } from "../../base/log.ts";
import { aborted } from "../../base/signals.ts";
import { timeoutSignal } from "../../base/timers.ts";
import type { Driver } from "../../driver/driver.ts";
import type { Docker } from "../../docker/docker.ts";
import { version } from "../../driver/program/command-line/version.ts";
import { BUILD_DRIVER } from "../../build/build-driver.ts";
import { BUILD_POLICY } from "../../build/policy-flags.ts";
import { BUILD_RESOURCE } from "../../build/resource-type.ts";
import { httpApi } from "../../engine/http/api.ts";
import { isLoopback, namesOf } from "../../engine/http/hosts.ts";
import { listen } from "../../engine/http/listen.ts";
import { PlaneMetrics } from "../../engine/shell/plane-metrics.ts";
import { startEngine } from "../../engine/shell/start.ts";
import { announceServer } from "../shared/api/server-file.ts";
import { openTracing } from "../shared/open-tracing.ts";
import { ownToken } from "../shared/api/token.ts";
import { dataFolder } from "../../driver/program/data-folder.ts";
import { checkBrokerFlags } from "../../driver/program/broker/check-broker-flags.ts";
import { driverSettings } from "../../driver/program/driver-settings.ts";
import type { Drivers } from "../shared/drivers.ts";
import { loadDrivers } from "../shared/load-driver.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { EXIT } from "../../driver/program/command-line/exit-codes.ts";
import { readPolicy } from "../../driver/program/policy-flags.ts";
import { startProcessLog } from "../../driver/program/command-line/process-log.ts";
import type { DockerHost } from "../../driver/program/health/host-series.ts";
import { reachDocker } from "../../driver/program/reach-docker.ts";
import { tellServiceManager } from "../../driver/program/service-manager.ts";
import { listenForStop } from "../../driver/program/stop/stop-requests.ts";
import { doorTls } from "./api-tls.ts";
import { openPlane, type Plane } from "./open-plane.ts";
import { readTokens } from "./read-tokens.ts";
import { registerTypes } from "./register-types.ts";
import { planeGauges } from "./plane-gauges.ts";
import { keepPruned } from "./prune.ts";
import { type Fleet, startDrivers } from "./start-drivers.ts";
import type { UpOptions } from "./up-flags.ts";

/**
 * Serves until the first stop signal, then takes no more runs and finishes the steps in hand. Throws
 * InputError and UnavailableError.
 */
export async function up(given: UpOptions, known: Drivers): Promise<void> {
  startProcessLog({
    level: given.logLevel,
    format: given.logFormat,
    write: (line) => process.stderr.write(line),
    // The engine logs the steps of all drivers.
    withoutOutcomesOf: ["driver"],
  });
  const { tokenFile: _tokens, ...login } = given;
  await checkBrokerFlags(login);
  const own = await loadDrivers(given.driver);
  const options = { ...given, drivers: [...given.drivers, ...own.map(({ name }) => name)] };
  const drivers = {
    ...known,
    ...Object.fromEntries(own.map((driver) => [driver.name, () => Promise.resolve(driver)])),
  };
  const faultPoint = parseFaults(environment.CONVEYOR_FAULT);
  const stopping = new AbortController();
  const { signal } = stopping;
  using stop = listenForStop({
    onFirst({ verdict }) {
      tellServiceManager("stopping", environment);
      stopping.abort(new DOMException(verdict.message, "AbortError"));
    },
    onSecond({ exit }) {
      process.stderr.write("Stopped immediately; runs resume on restart\n");
      process.exit(exit);
    },
  });
  try {
    await serve(options, { drivers, own, faultPoint, signal });
  } catch (error) {
    if (signal.aborted && error === signal.reason) return;
    if (!(error instanceof Retryable)) throw error;
    // At the start, even a temporary failure ends the process.
    throw new UnavailableError(messageOf(error), { cause: error });
  } finally {
    if (stop.first?.exit === EXIT.defect) process.exitCode = EXIT.defect;
  }
}

async function serve(
  options: UpOptions,
  { drivers, own, faultPoint, signal }: {
    drivers: Drivers;
    own: readonly Driver[];
    faultPoint: Faults;
    signal: AbortSignal;
  },
): Promise<void> {
  const { listen: address, cors } = options;
  const folder = dataFolder(options.data, environment);
  const { own: given, others: tokens } = await readTokens(options.tokenFile ?? []);
  const { tls, whyNotSigned } = await doorTls(options);
  await using plane = await openPlane(options, folder, signal);
  const { transport, store, publishRun, sealKey } = plane;
  const token = given ?? await ownToken(folder);
  await registerTypes(store, { builtIn: { ...BUILD_DRIVER, name: BUILD_RESOURCE.pipeline.name }, own });
  const ackWaitMs = options.ackWait;
  const metrics = new PlaneMetrics();
  await using tracing = await openTracing(environment);
  await using engine = await startEngine({
    transport,
    store,
    publishRun,
    sealKey,
    ackWaitMs,
    faultPoint,
    adopt: true,
    ...tracing.engine,
    changed(change, run) {
      metrics.changed(change, run);
      tracing.engine.changed?.(change, run);
    },
    maxQueuedMs: options.maxQueued,
    ...options.foreignDriver && { foreignDrivers: options.foreignDriver },
  });
  await using fleet = await startFleet(options, { plane, drivers, faultPoint, signal });
  const api = httpApi({
    engine,
    store,
    token,
    tokens,
    maxOpenRuns: options.maxRuns,
    maxRunsEach: options.maxRunsEach,
    whyNotSigned,
    isOurHost: namesOf(address.host, hostname()),
    cors,
    resourceTypes: [BUILD_RESOURCE],
    broadcast: (subject, data) => transport.broadcast(subject, data),
    draining: signal,
    keepLogsMs: options.keepLogs,
    version: version(),
    reasons: () => whyNotReady(plane, fleet),
    metrics: () =>
      metrics.text(store.runs, {
        now: systemClock(),
        gauges: () =>
          planeGauges({
            folder,
            troubles: () => engine.troubles,
            slots: () => fleet && { used: fleet.inHand, total: fleet.slots },
            stored: plane.stored,
            host: fleet?.host,
          }),
      }),
  });
  await using listening = await listen(api, { ...address, tls });
  await using _announced = await announceServer(folder, listening.url);
  await using _pruning = keepPruned({
    store,
    keepRunsMs: options.keepRuns.ms,
    keepRunsCount: options.keepRuns.count,
    keepLogsMs: options.keepLogs,
    removeLog: plane.removeLog,
    removeUnfinished: plane.removeUnfinished,
    makeRoom: plane.makeRoom,
    clock: systemClock,
  });
  const log = processLog("up");
  log.info("Serves {url}, {backend}, data in {folder}, drivers: {drivers}", {
    url: listening.url,
    backend: options.nats ? `over ${options.nats.join(", ")}` : "in one process",
    folder,
    drivers: options.drivers.join(", ") || "none",
  });
  tellServiceManager("ready", environment);
  if (!tls && !isLoopback(address.host)) {
    log.warn("Listens beyond this machine without TLS, so that others may read the token on its way");
  }
  await aborted(signal);
  log.info("{why}: takes no more runs and finishes the {count} steps in hand", {
    why: messageOf(signal.reason),
    count: fleet?.inHand ?? 0,
  });
  await fleet?.drain(options.drain);
}

const DOCKER_MS = 3000;

/** Returns why runs cannot be processed now, one line per reason. */
async function whyNotReady(
  { broker, store }: Plane,
  fleet: FleetHere | undefined,
): Promise<string[]> {
  const reasons: string[] = broker && !broker.isConnected ? ["The broker is not connected"] : [];
  await store.runs.find("0", 1).catch((error) =>
    reasons.push(`The store does not answer: ${messageOf(error)}`)
  );
  await fleet?.docker.now({ signal: timeoutSignal(DOCKER_MS) }).catch((error) =>
    reasons.push(`Docker does not answer: ${messageOf(error)}`)
  );
  return reasons;
}

/** The drivers of this process and their host. */
interface FleetHere extends Fleet {
  readonly docker: Docker;
  readonly host: DockerHost;
  /** How many steps each driver works on at once. */
  readonly slots: number;
}

async function startFleet(
  options: UpOptions,
  { plane, drivers, faultPoint, signal }: {
    plane: Plane;
    drivers: Drivers;
    faultPoint: Faults;
    signal: AbortSignal;
  },
): Promise<FleetHere | undefined> {
  if (options.drivers.length === 0) return undefined;
  const policy = await readPolicy(BUILD_POLICY, options);
  const policyFor = async (driver: Driver) =>
    driver.policy === BUILD_POLICY ? policy : driver.policy && await readPolicy(driver.policy, options);
  await using opening = new AsyncDisposableStack();
  const reaching = opening.use(reachDocker({ endpoint: options.docker, environment, signal }));
  const { docker, info } = await reaching.answer;
  const { owner, transport } = plane;
  const settings = driverSettings(options, { owner, info });
  const fleet = opening.use(
    await startDrivers(options.drivers, {
      drivers,
      transport,
      docker,
      settings,
      policyFor,
      ackWaitMs: options.ackWait,
      faultPoint,
    }),
  );
  const opened = opening.move();
  return {
    get inHand() {
      return fleet.inHand;
    },
    docker,
    host: { docker, info, owner },
    slots: settings.slots ?? 1,
    drain: fleet.drain,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
