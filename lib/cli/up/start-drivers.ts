import type { Transport } from "../../backend/transport.ts";
import type { Faults } from "../../base/faults.ts";
import { abortable } from "../../base/signals.ts";
import type { Docker } from "../../docker/docker.ts";
import type { Driver, DriverSettings } from "../../driver/driver.ts";
import { type Instance, startInstance } from "../../driver/instance.ts";
import { askEngine } from "../../driver/host/run-state.ts";
import { keepHouse } from "../../driver/host/housekeeping.ts";
import type { Drivers } from "../shared/drivers.ts";

/** The drivers of this process. Dispose leaves their steps in hand to other instances. */
export interface Fleet extends AsyncDisposable {
  /** Steps in hand. */
  readonly inHand: number;
  /** Takes no more work. Resolves when the steps in hand are settled, or after `ms`. */
  drain(ms: number): Promise<void>;
}

/**
 * Starts the named drivers. Resolves when they take events. Each works on as many events at once as this host
 * has slots. Throws `stop.reason` if `stop` fires first: the broker may be away for long.
 */
export async function startDrivers(
  names: readonly string[],
  { drivers, transport, docker, settings, policyFor, ackWaitMs, faultPoint, stop }: {
    drivers: Drivers;
    transport: Transport;
    docker: Docker;
    settings: DriverSettings;
    /** Returns a driver's own policy. */
    policyFor: (driver: Driver) => Promise<unknown>;
    ackWaitMs: number;
    faultPoint: Faults;
    stop: AbortSignal;
  },
): Promise<Fleet> {
  const ending = new AbortController();
  const { signal } = ending;
  await using opening = new AsyncDisposableStack();
  const instances: Instance[] = [];
  const housekeeping: Promise<void>[] = [];
  opening.defer(async () => void await Promise.all(housekeeping));
  opening.defer(() => ending.abort(new Error("The drivers end")));
  for (const name of names) {
    const driver = await drivers[name]?.();
    if (!driver) continue;
    const concurrency = settings.slots ?? 1;
    const policy = await policyFor(driver);
    instances.push(
      opening.use(
        startInstance({
          driver,
          transport,
          docker,
          settings,
          policy,
          concurrency,
          ackWaitMs,
          faultPoint,
          claimsOnly: true,
        }),
      ),
    );
    const askRun = askEngine(transport, driver.name);
    housekeeping.push(keepHouse(driver, { docker, settings, policy, askRun, signal }));
  }
  await abortable(Promise.all(instances.map(({ ready }) => ready)), stop);
  const opened = opening.move();
  return {
    get inHand() {
      return instances.reduce((sum, { inHand }) => sum + inHand, 0);
    },
    drain: async (ms) => void await Promise.all(instances.map((instance) => instance.drain(ms))),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
