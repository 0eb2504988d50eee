import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import type { NatsOptions } from "../../lib/backend/nats/connection.ts";
import { type ControlPlaneOptions, openControlPlane } from "../../lib/backend/nats/control-plane.ts";
import type { NatsStore } from "../../lib/backend/nats/store.ts";
import { type NatsBackend, openNats } from "../../lib/backend/nats/transport.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import type { Context, Driver } from "../../lib/driver/driver.ts";
import { type Instance, type InstanceOptions, startInstance } from "../../lib/driver/instance.ts";
import type { Engine, EngineOptions } from "../../lib/engine/shell/engine.ts";
import { Signatures } from "../../lib/engine/shell/signatures.ts";
import { startEngine } from "../../lib/engine/shell/start.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { type NatsServer, startNats } from "./nats-server.ts";
import { testSettings } from "./settings.ts";

export interface NatsPlaneOptions {
  /** Lines for the broker's configuration. */
  readonly config?: string;
  readonly maxFile?: string;
  readonly plane?: Partial<ControlPlaneOptions>;
  readonly engine?: Partial<EngineOptions>;
  /** Returns how each role logs in at the broker on this port. */
  readonly login?: (role: string, port: number) => Partial<NatsOptions>;
}

/** A real broker, our control plane on it, and drivers that a test makes, all in this process. */
export interface NatsPlane extends AsyncDisposable {
  readonly server: NatsServer;
  readonly transport: NatsBackend;
  readonly store: NatsStore;
  readonly engine: Engine;
  readonly folder: string;
  /** Opens another connection, like that of a driver or a stranger. */
  connect(role?: string): Promise<NatsBackend>;
  /** Starts a driver of the type `thing` that needs no Docker. Resolves once it takes events. */
  driver(
    name: string,
    reconcile: (context: Context) => Promise<DriverResult> | DriverResult,
    options?: Partial<InstanceOptions>,
  ): Promise<Instance>;
}

const NO_DOCKER = {} as Docker;

export async function openNatsPlane(options: NatsPlaneOptions = {}): Promise<NatsPlane> {
  const { config = "", maxFile, login = () => ({}) } = options;
  const folder = await mkdtemp(join(tmpdir(), "conveyor-plane-"));
  await using opening = new AsyncDisposableStack();
  opening.defer(() => rm(folder, { recursive: true, force: true }));
  const server = opening.use(await startNats({ config, ...maxFile !== undefined && { maxFile } }));
  const nats = (role: string) => ({ servers: [server.url], ...login(role, server.port) });
  const local = opening.use(await openEmbedded({ folder, scope: "up" }));
  const { owner, sealKey, store: state } = local;
  const signatures = new Signatures({ sealKey, foreignDrivers: options.engine?.foreignDrivers });
  const { transport, store } = opening.use(
    await openControlPlane({
      nats: nats("control-plane"),
      local: state,
      owner,
      isGenuine: signatures.isGenuineBatch,
      ...options.plane,
    }),
  );
  const engine = opening.use(await startEngine({ transport, store, sealKey, ...options.engine }));
  const parts = opening.move();
  const connect = async (role = "stranger") => parts.use(await openNats(nats(role)));
  return {
    server,
    transport,
    store,
    engine,
    folder,
    connect,
    async driver(name, reconcile, more = {}) {
      const driver: Driver = {
        name,
        resources: ["thing"],
        usesDocker: false,
        reconcile: async (context) => await reconcile(context),
      };
      const own = more.transport ?? await connect(name);
      const instance = parts.use(startInstance({
        driver,
        transport: own,
        docker: NO_DOCKER,
        settings: testSettings({ host: "here" }),
        ...more,
      }));
      await instance.ready;
      return instance;
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
