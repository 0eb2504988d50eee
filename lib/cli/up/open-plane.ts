import { type Embedded, openEmbedded } from "../../backend/embedded/embedded.ts";
import type { NatsBackend } from "../../backend/nats/transport.ts";
import type { NatsStore } from "../../backend/nats/store.ts";
import type { Store } from "../../backend/store.ts";
import type { Transport } from "../../backend/transport.ts";
import { Signatures } from "../../engine/shell/signatures.ts";
import { isRunId } from "../../wire/ids.ts";
import { awaitBroker } from "../../driver/program/broker/await-broker.ts";
import { natsOptions } from "../../driver/program/broker/open-broker.ts";
import type { UpOptions } from "./up-flags.ts";

/** Where a control plane's messages and state are. */
export interface Plane extends AsyncDisposable {
  readonly transport: Transport;
  readonly store: Store;
  readonly owner: string;
  readonly sealKey: Uint8Array;
  /** Undefined where there is no broker. */
  readonly broker: Pick<NatsBackend, "isConnected"> | undefined;
  /** Removes a run's log; undefined where the broker itself does so in time. */
  readonly removeLog: ((run: string) => Promise<void>) | undefined;
  /** See `NatsStore`; undefined where the data folder clears itself of such. */
  readonly removeUnfinished: NatsStore["removeUnfinished"] | undefined;
  /** See `NatsStore`. */
  readonly makeRoom: NatsStore["makeRoom"] | undefined;
}

/** In this process and the data folder alone, or over a broker. Throws UnavailableError, InputError, Retryable. */
export async function openPlane(options: UpOptions, folder: string, signal: AbortSignal): Promise<Plane> {
  await using opening = new AsyncDisposableStack();
  const embedded = opening.use(await openEmbedded({ folder, scope: "up" }));
  const { owner, sealKey } = embedded;
  const local = withoutOthersRuns(embedded);
  if (!options.nats) {
    const { transport, removeLog } = embedded;
    const opened = opening.move();
    return {
      transport,
      store: local,
      owner,
      sealKey,
      broker: undefined,
      removeLog,
      removeUnfinished: undefined,
      makeRoom: undefined,
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  }
  const signatures = new Signatures({ sealKey, foreignDrivers: options.foreignDriver });
  const nats = natsOptions({ ...options, nats: options.nats }, "conveyor-up");
  const { openControlPlane } = await import("../../backend/nats/control-plane.ts");
  const { transport, store } = opening.use(
    await awaitBroker(() =>
      openControlPlane({
        nats,
        local,
        owner,
        isGenuine: signatures.isGenuineBatch,
        replicas: Number(options.replicas),
        keepLogsMs: options.keepLogs,
      }), { waitMs: options.wait, signal, category: "up" }),
  );
  const opened = opening.move();
  return {
    transport,
    store,
    owner,
    sealKey,
    broker: transport,
    removeLog: undefined,
    removeUnfinished: store.removeUnfinished,
    makeRoom: store.makeRoom,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** A `flutter-ci run` with the same data folder looks after its own run, or the next one does. */
function withoutOthersRuns(embedded: Embedded): Store {
  const { store } = embedded;
  const open = async () => {
    const dead = new Set(embedded.deadScopes().filter(isRunId));
    return (await store.runs.open()).filter((run) => !dead.has(run) && !embedded.isAlive(run));
  };
  return { ...store, runs: { ...store.runs, open } };
}
