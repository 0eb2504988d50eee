import type { Clock } from "../../base/clock.ts";
import { MAX_MESSAGE_BYTES, type OutgoingMessage, type Transport } from "../transport.ts";
import type { ArtifactTable } from "./artifacts.ts";
import type { Database } from "./database.ts";
import { Lifetime } from "./lifetime.ts";
import { live } from "./live.ts";
import type { LogTable } from "./logs.ts";
import { marks } from "./marks.ts";
import { type Outgoing, Queues } from "./queues.ts";
import type { Reserve } from "./reserve.ts";

export interface EmbeddedTransportOptions {
  readonly database: Database;
  readonly scope: { readonly id: number; readonly name: string };
  readonly logs: LogTable;
  readonly artifacts: ArtifactTable;
  readonly reserve: Reserve;
  readonly clock: Clock;
}

/** A transport whose publishing can be part of a larger transaction. */
export interface EmbeddedTransport extends Transport {
  /** See `Queues.outgoing`. */
  outgoing(subject: string, messages: readonly OutgoingMessage[]): Outgoing;
}

/** The transport of one scope. Only this process touches the scope's messages. */
export function embeddedTransport(options: EmbeddedTransportOptions): EmbeddedTransport {
  const { database, scope, artifacts, reserve, clock } = options;
  const lifetime = new Lifetime("The transport");
  const queues = new Queues({ ...options, lifetime });
  const blobs = new Set<Promise<unknown>>();
  return {
    maxMessageBytes: MAX_MESSAGE_BYTES,
    ...live(lifetime),
    ...marks(lifetime, clock),

    publish: (subject, data, options) =>
      lifetime.call(async () => {
        const [isNew] = await queues.publishAll(subject, [{ data, ...options }]);
        return { duplicate: !isNew };
      }),

    publishAll: (subject, messages) =>
      lifetime.call(async () => void await queues.publishAll(subject, messages)),

    outgoing(subject, messages) {
      lifetime.check();
      return queues.outgoing(subject, messages);
    },

    ensureConsumer: (spec) => lifetime.call(() => queues.ensure(spec)),

    consume: (spec, { signal }) => queues.consume(spec, signal),

    holds: (stream, id) => lifetime.call(() => queues.holds(stream, id)),

    demand: (subject) => lifetime.call(() => queues.demand(subject)),

    async putBlob(run, name, bytes, { signal, ...attributes } = {}) {
      lifetime.check();
      reserve.guard((room) => database.emptyLog(room));
      const signals = signal ? [lifetime.signal, signal] : [lifetime.signal];
      const storing = artifacts.put(scope.name, run, name, bytes, {
        signal: AbortSignal.any(signals),
        ...attributes,
      });
      blobs.add(storing);
      try {
        return await storing;
      } finally {
        blobs.delete(storing);
      }
    },

    async [Symbol.asyncDispose]() {
      if (lifetime.signal.aborted) return;
      lifetime.end();
      await Promise.allSettled(blobs);
      queues.release();
    },
  };
}
