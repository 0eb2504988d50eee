import type { NatsBackend } from "../../../backend/nats/transport.ts";
import { messageOf } from "../../../base/errors.ts";
import { processLog } from "../../../base/log.ts";
import { delay } from "../../../base/signals.ts";
import { awaitOwner } from "./open-broker.ts";

/** The owner of a broker. */
export type Owner = Awaited<ReturnType<NatsBackend["owner"]>>;

export interface EachOwnerOptions {
  /** How often to check whether the owner has changed, milliseconds. */
  readonly everyMs: number;
  readonly signal: AbortSignal;
  /** Works for an owner until its signal aborts. */
  readonly work: (found: Owner, signal: AbortSignal) => Promise<void>;
  /** Removes what ran for a previous owner. */
  readonly clear: (found: Owner, signal: AbortSignal) => Promise<void>;
}

/**
 * Works for the broker's current owner until `signal` aborts. A server that returns without its data is a new
 * owner: what ran for the previous one is orphaned, and is removed. Throws what `work` throws,
 * `signal.reason`.
 */
export async function workForEachOwner(
  broker: Pick<NatsBackend, "owner">,
  { everyMs, signal, work, clear }: EachOwnerOptions,
): Promise<void> {
  while (!signal.aborted) {
    const found = await awaitOwner(broker, signal);
    const changing = new AbortController();
    const until = AbortSignal.any([signal, changing.signal]);
    const watching = watch(broker, found.owner, { everyMs, signal: until }).then(
      () => changing.abort(new DOMException("The broker has another owner", "AbortError")),
      () => {},
    );
    try {
      await work(found, until);
    } catch (error) {
      if (signal.aborted || !changing.signal.aborted || error !== until.reason) throw error;
    } finally {
      changing.abort();
      await watching;
    }
    if (signal.aborted) return;
    processLog("driver").warn("The broker has another owner: clearing what ran for the one before");
    await clear(found, signal).catch((error) => {
      signal.throwIfAborted();
      processLog("driver").warn("Cannot clear what ran for the owner before: {why}", {
        why: messageOf(error),
      });
    });
  }
}

/**
 * Resolves when the owner has changed. If it cannot be read, tries again at the next interval. Throws
 * `signal.reason`.
 */
async function watch(
  broker: Pick<NatsBackend, "owner">,
  owner: string,
  { everyMs, signal }: { everyMs: number; signal: AbortSignal },
): Promise<void> {
  for (;;) {
    await delay(everyMs, { signal });
    const now = await broker.owner().catch(() => undefined);
    if (now && now.owner !== owner) return;
  }
}
