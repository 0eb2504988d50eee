import type { Faults } from "../../base/faults.ts";
import { BUILD_POLICY } from "../../build/policy-flags.ts";
import type { Docker } from "../../docker/docker.ts";
import type { Driver } from "../../driver/driver.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { driverSettings } from "../../driver/program/driver-settings.ts";
import type { DockerHost } from "../../driver/program/health/host-series.ts";
import { readPolicy } from "../../driver/program/policy-flags.ts";
import { reachDocker } from "../../driver/program/reach-docker.ts";
import type { Drivers } from "../shared/drivers.ts";
import type { Plane } from "./open-plane.ts";
import { type Fleet, startDrivers } from "./start-drivers.ts";
import type { UpOptions } from "./up-flags.ts";

/** The drivers of this process and their host. */
export interface FleetHere extends Fleet {
  readonly docker: Docker;
  readonly host: DockerHost;
  /** How many steps each driver works on at once. */
  readonly slots: number;
}

export interface FleetParts {
  readonly plane: Plane;
  readonly drivers: Drivers;
  readonly faultPoint: Faults;
  readonly signal: AbortSignal;
}

/** Starts the drivers that the flags name. */
export async function startFleet(
  options: UpOptions,
  { plane, drivers, faultPoint, signal }: FleetParts,
): Promise<FleetHere> {
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
      stop: signal,
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
