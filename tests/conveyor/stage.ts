import { randomUUID } from "node:crypto";
import { type NatsBackend, openNats } from "../../lib/backend/nats/transport.ts";
import type { NatsOptions } from "../../lib/backend/nats/connection.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import type { Context, Driver } from "../../lib/driver/driver.ts";
import { startInstance } from "../../lib/driver/instance.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { type ConveyorOptions, type ConveyorServer, startConveyor } from "../support/conveyor-server.ts";
import { testPolicy, testSettings } from "../support/settings.ts";

export interface StageOptions extends ConveyorOptions {
  readonly drivers: readonly Driver[];
  /** Options of the drivers' connection. */
  readonly tls?: NonNullable<NatsOptions["tls"]>;
  readonly docker?: Docker;
  readonly owner?: string;
  readonly ackWaitMs?: number;
}

/** Starts a Conveyor server, and drivers that take its events. */
export interface ConveyorStage extends AsyncDisposable {
  readonly server: ConveyorServer;
  readonly transport: NatsBackend;
  /** Defines the type, unless it exists, and a pipeline of these drivers in this order. */
  pipeline(name: string, type: string, drivers: readonly string[]): Promise<void>;
  /** Resolves to the driver's result of that run, past or future. */
  result(run: string, driver: string): Promise<DriverResult>;
}

/** A daemon that fails the test if a driver uses it. */
const NO_DOCKER = new Proxy({}, {
  get: (_, name) => () => {
    throw new Error(`Docker.${String(name)} was called`);
  },
}) as Docker;

export async function openStage(options: StageOptions): Promise<ConveyorStage> {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(await startConveyor(options));
  const transport = opened.use(
    await openNats({ servers: [server.nats], ...options.tls && { tls: options.tls } }),
  );
  const settings = testSettings({ owner: options.owner ?? `test-${randomUUID()}` });
  const { drivers, docker = NO_DOCKER, ackWaitMs = 30_000 } = options;
  for (const driver of drivers) {
    const instance = opened.use(
      startInstance({ driver, transport, docker, settings, policy: testPolicy(), ackWaitMs, retryMs: 1 }),
    );
    await instance.ready;
  }
  const all = opened.move();
  return {
    server,
    transport,
    async pipeline(name, resource, drivers) {
      if ((await server.call("GET", `/resource-definitions/${resource}`)).status !== 200) {
        await server.call("POST", "/resource-definitions", { name: resource, schema: { type: "object" } });
      }
      const steps = drivers.map((driver, i) => ({ id: `step-${i + 1}`, name: driver, driver }));
      const { status } = await server.call("POST", "/pipelines", { name, resource, steps });
      if (status !== 201) throw new Error(`The server answered ${status}`);
    },
    async result(run, driver) {
      const sent = await server.result((one) => one.run_id === run && one.driverresult.driver === driver);
      return sent.driverresult;
    },
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}

/** A driver of the type `bench-type`. */
export function simple(
  name: string,
  reconcile: (context: Context) => DriverResult | Promise<DriverResult>,
): Driver {
  return { name, resources: ["bench-type"], reconcile: async (context) => await reconcile(context) };
}

export const succeeded = (data: unknown = null): DriverResult => ({ success: true, message: "ok", data });
