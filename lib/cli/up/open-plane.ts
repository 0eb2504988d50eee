import { type Embedded, openEmbedded } from "../../backend/embedded/embedded.ts";
import type { NatsBackend } from "../../backend/nats/transport.ts";
import type { NatsStore } from "../../backend/nats/store.ts";
import type { PublishRun, Store } from "../../backend/store.ts";
import type { Transport } from "../../backend/transport.ts";
import { Signatures } from "../../engine/shell/signatures.ts";
import type { UpOptions } from "./up-flags.ts";

/** How much is stored. */
export interface Stored {
  readonly deadLetters?: number | undefined;
  readonly logBytes?: number | undefined;
  /** The most that is kept of logs; undefined without a limit. */
  readonly logLimit?: number | undefined;
}

/** A control plane's transport and store. */
export interface Plane extends AsyncDisposable {
  readonly transport: Transport;
  readonly store: Store;
  /** See `EngineOptions`; undefined with a broker. */
  readonly publishRun: PublishRun | undefined;
  readonly owner: string;
  readonly sealKey: Uint8Array;
  /** Undefined without a broker. */
  readonly broker: Pick<NatsBackend, "isConnected"> | undefined;
  /** What is stored just now; undefined in it if it cannot be known. Throws Retryable. */
  readonly stored: () => Promise<Stored>;
  /** Removes a run's log; undefined if the broker expires logs itself. */
  readonly removeLog: ((run: string) => Promise<void>) | undefined;
  /** Removes what was stored of removed runs: see `NatsStore` and `removeOrphans`. Returns their count. */
  readonly removeUnfinished: NatsStore["removeUnfinished"];
  /** See `NatsStore`. */
  readonly makeRoom: NatsStore["makeRoom"] | undefined;
}

/**
 * Opens the transport and store: in this process and the data folder alone, or over a broker. Throws
 * UnavailableError, InputError and Retryable.
 */
export async function openPlane(options: UpOptions, folder: string, signal: AbortSignal): Promise<Plane> {
  await using opening = new AsyncDisposableStack();
  const embedded = opening.use(await openEmbedded({ folder, scope: "up" }));
  const { owner, sealKey } = embedded;
  const local = withoutOthersRuns(embedded);
  if (!options.nats) {
    const { transport, publishRun, removeLog, removeOrphans, stored } = embedded;
    const opened = opening.move();
    return {
      transport,
      store: local,
      publishRun,
      owner,
      sealKey,
      broker: undefined,
      stored,
      removeLog,
      removeUnfinished: removeOrphans,
      makeRoom: undefined,
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  }
  const signatures = new Signatures({ sealKey, foreignDrivers: options.foreignDriver });
  // Loaded only with a broker: it takes a tenth of the start.
  const [{ awaitBroker }, { natsOptions }, { openControlPlane }] = await Promise.all([
    import("../../driver/program/broker/await-broker.ts"),
    import("../../driver/program/broker/open-broker.ts"),
    import("../../backend/nats/control-plane.ts"),
  ]);
  const nats = natsOptions({ ...options, nats: options.nats }, "conveyor-up");
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
    publishRun: undefined,
    owner,
    sealKey,
    broker: transport,
    stored: async () => ({ deadLetters: await transport.deadLetters(), ...await store.storedLogs() }),
    removeLog: undefined,
    removeUnfinished: store.removeUnfinished,
    makeRoom: store.makeRoom,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/**
 * Hides runs of `flutter-ci run` in the same data folder: their own process, or the next `run`, takes care of
 * them.
 */
function withoutOthersRuns(embedded: Embedded): Store {
  const { store } = embedded;
  const open = async () => {
    // Such a run is the scope of its process, dead or alive, which is there before the run is.
    const runs = await store.runs.open();
    const others = new Set(embedded.scopes());
    return runs.filter((run) => !others.has(run));
  };
  return { ...store, runs: { ...store.runs, open } };
}
