import { openNats } from "../../lib/backend/nats/transport.ts";
import type { Context } from "../../lib/driver/driver.ts";
import { type InstanceOptions, startInstance } from "../../lib/driver/instance.ts";
import type { DriverResult, Pipeline } from "../../lib/wire/resource.ts";
import { stepsOf, TYPE } from "../engine/support/runs.ts";
import { ACK_WAIT_MS, type Fleet } from "./fleet.ts";
import { testSettings } from "./settings.ts";
import { testDocker } from "./step-context.ts";

export interface WorkerOptions extends Partial<InstanceOptions> {
  /** Addresses by which it reaches the broker. Default: the broker's own. */
  readonly servers?: string[];
  readonly pullTimes?: NonNullable<Parameters<typeof openNats>[0]["pullTimes"]>;
}

/** Returns a pipeline of these steps (see `stepsOf`), for workers. */
export const pipelineOf = (steps: string): Pipeline => ({
  name: "line",
  resource: TYPE,
  steps: stepsOf(steps),
});

/**
 * Starts an instance of a driver without Docker, on its own connection. Without a result its step succeeds.
 */
export async function worker(
  { server }: Pick<Fleet, "server">,
  name: string,
  work: (context: Context) => Promise<DriverResult | void> | void,
  { servers = [server.url], pullTimes = {}, ...options }: WorkerOptions = {},
): Promise<AsyncDisposable> {
  await using opening = new AsyncDisposableStack();
  const transport = opening.use(await openNats({ servers, pullTimes }));
  // Never called.
  const docker = opening.use(testDocker());
  const reconcile = async (context: Context) =>
    await work(context) ?? { success: true, message: `${name} is done` };
  const instance = opening.use(startInstance({
    driver: { name, resources: [TYPE], reconcile },
    transport,
    docker,
    settings: testSettings(),
    ackWaitMs: ACK_WAIT_MS,
    ...options,
  }));
  await instance.ready;
  return opening.move();
}
