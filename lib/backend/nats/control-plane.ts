import { UnavailableError } from "../../base/errors.ts";
import type { IsGenuine } from "../shared/log-gate.ts";
import type { Store } from "../store.ts";
import { connectNats, type NatsOptions } from "./connection.ts";
import { type NatsStore, natsStore } from "./store.ts";
import { ensureStreams, type StreamsOptions } from "./streams.ts";
import { type NatsBackend, openNats } from "./transport.ts";

export interface ControlPlaneOptions extends Omit<StreamsOptions, "newOwner"> {
  readonly nats: NatsOptions;
  /** The state of the control plane. Disposed with the result. */
  readonly local: Store;
  /** The id of the installation that `local` belongs to. */
  readonly owner: string;
  /** Decides which log batches are accepted. */
  readonly isGenuine: IsGenuine;
}

/**
 * Opens a broker for our control plane and creates or updates its streams. Logs and artifacts are read over a
 * connection of their own, so that a large one does not delay events. Throws `UnavailableError` if the broker
 * cannot be reached, or belongs to a Conveyor server or another installation; `Retryable`, `InputError` as
 * `connectNats`.
 */
export async function openControlPlane(
  { nats, local, owner, isGenuine, ...streams }: ControlPlaneOptions,
): Promise<{ readonly transport: NatsBackend; readonly store: NatsStore } & AsyncDisposable> {
  await using opening = new AsyncDisposableStack();
  const connection = opening.adopt(await connectNats(nats), (connection) => connection.close());
  const found = await ensureStreams(connection, { ...streams, newOwner: () => owner });
  if (found.owner !== owner) {
    throw new UnavailableError(
      `The broker at "${connection.getServer()}" belongs to a control plane with another data folder`,
      {
        hint:
          "Name that folder with --data, or give this one a broker or an account of its own. Where the folder is lost, " +
          "remove the streams messages, pipeline-engine and logs-engine",
      },
    );
  }
  const store = opening.use(await natsStore(connection, local, { ...found, isGenuine }));
  const transport = opening.use(await openNats(nats));
  const opened = opening.move();
  return { transport, store, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
