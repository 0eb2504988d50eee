import { processLog } from "../../base/log.ts";
import type { Driver } from "../driver.ts";
import { readPolicy } from "./policy-flags.ts";
import type { Reaching } from "./reach-docker.ts";
import { checkBrokerFlags } from "./broker/check-broker-flags.ts";
import { DriverProgram, LOOK_EVERY_MS } from "./driver-program.ts";
import type { DriverOptions } from "./driver-flags.ts";
import { DriverMetrics } from "./health/driver-metrics.ts";
import { DriverStatus } from "./health/driver-status.ts";
import { serveHealth } from "./health/serve-health.ts";
import { awaitBroker } from "./broker/await-broker.ts";
import { workForEachOwner } from "./broker/each-owner.ts";
import { openBroker } from "./broker/open-broker.ts";

export interface RunDriver {
  readonly docker: Reaching["answer"];
  /** Aborts when the program is told to end. */
  readonly signal: AbortSignal;
}

/**
 * Runs one instance of the driver: takes events from the broker until `signal` aborts, then finishes those in
 * hand. If broker, API or Docker becomes unreachable later, waits for it. Throws InputError,
 * UnavailableError.
 */
export async function runDriver(
  driver: Driver,
  options: DriverOptions,
  { docker, signal }: RunDriver,
): Promise<void> {
  await checkBrokerFlags(options);
  const policy = driver.policy && await readPolicy(driver.policy, options);

  const { usesDocker = true } = driver;
  const status = new DriverStatus({ usesDocker, slots: options.concurrency });
  const metrics = new DriverMetrics(driver.name);
  try {
    await using _health = options.health && await openHealth(options.health, status, metrics);
    await using transport = await awaitBroker(
      () => openBroker(options, `conveyor-${driver.name}`),
      { waitMs: options.wait, signal, category: "driver" },
    );
    status.broker = transport;
    const program = new DriverProgram({
      driver,
      options,
      policy,
      transport,
      docker,
      status,
      metrics,
      stop: signal,
    });
    const working = workForEachOwner(transport, {
      everyMs: LOOK_EVERY_MS,
      signal,
      work: (owner, signal) => program.work(owner, signal),
      clear: (owner, signal) => program.clear(owner, signal),
    });
    // Fail at once if Docker is unreachable, whoever owns the broker.
    await Promise.race([working, docker.then(() => working)]);
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  }
}

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
