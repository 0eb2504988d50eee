import { systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { type Faults, parseFaults } from "../../base/faults.ts";
import { processLog } from "../../base/log.ts";
import { aborted } from "../../base/signals.ts";
import type { Driver } from "../../driver/driver.ts";
import { BUILD_DRIVER } from "../../build/build-driver.ts";
import { BUILD_RESOURCE } from "../../build/resource-type.ts";
import { isLoopback, urlFromHere } from "../../engine/http/hosts.ts";
import { listen } from "../../engine/http/listen.ts";
import { PlaneMetrics } from "../../engine/shell/plane-metrics.ts";
import { startEngine } from "../../engine/shell/start.ts";
import { announceServer } from "../shared/api/server-file.ts";
import { openTracing } from "../shared/open-tracing.ts";
import { ownToken } from "../shared/api/token.ts";
import { dataFolder } from "../../driver/program/data-folder.ts";
import { checkBrokerFlags } from "../../driver/program/broker/check-broker-flags.ts";
import type { Drivers } from "../shared/drivers.ts";
import { loadDrivers } from "../shared/load-driver.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { startProcessLog } from "../../driver/program/command-line/process-log.ts";
import { tellServiceManager } from "../../driver/program/service-manager.ts";
import { openStopSignal } from "../../driver/program/stop/stop-signal.ts";
import { apiTls } from "./api-tls.ts";
import { openPlane } from "./open-plane.ts";
import { readTokens } from "./read-tokens.ts";
import { registerTypes } from "./register-types.ts";
import { keepPruned } from "./prune.ts";
import { planeApi } from "./plane-api.ts";
import type { FleetHere, FleetParts } from "./start-fleet.ts";
import type { UpOptions } from "./up-flags.ts";

/**
 * Serves until the first stop signal, then takes no more runs and finishes the steps in hand. Throws
 * InputError, UnavailableError and Retryable.
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
  using stopping = openStopSignal("Stopped immediately; runs resume on restart");
  const { signal } = stopping;
  try {
    await serve(options, { drivers, own, faultPoint, signal });
  } catch (error) {
    if (signal.aborted && error === signal.reason) return;
    throw error;
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
  const { listen: address } = options;
  const folder = dataFolder(options.data, environment);
  const { own: given, others: tokens } = await readTokens(options.tokenFile ?? []);
  const { tls, whyNotSigned } = await apiTls(options);
  await using plane = await openPlane(options, folder, signal);
  const { transport, store, publishRun, sealKey } = plane;
  const token = given ?? await ownToken(folder);
  await registerTypes(store, { builtIn: { ...BUILD_DRIVER, name: BUILD_RESOURCE.pipeline.name }, own });
  const metrics = new PlaneMetrics();
  await using tracing = await openTracing(environment);
  await using engine = await startEngine({
    transport,
    store,
    publishRun,
    sealKey,
    ackWaitMs: options.ackWait,
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
  await using fleet = await fleetOf(options, { plane, drivers, faultPoint, signal });
  const api = planeApi(options, {
    ...{ plane, engine, fleet, metrics, folder, token, tokens, whyNotSigned },
    draining: signal,
  });
  await using listening = await listen(api, { ...address, tls });
  await using _announced = await announceServer(folder, urlFromHere(listening.url));
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

/** Loads and starts the drivers that the flags name; undefined if they name none. */
async function fleetOf(
  options: UpOptions,
  parts: FleetParts,
): Promise<FleetHere | undefined> {
  if (options.drivers.length === 0) return undefined;
  const { startFleet } = await import("./start-fleet.ts");
  return await startFleet(options, parts);
}
