import type { Delivery, Transport } from "../../../lib/backend/transport.ts";
import type { PublishRun, Store } from "../../../lib/backend/store.ts";

/** Whether a process has been killed. */
export interface Life {
  isOver: boolean;
}

/** Wraps the transport of a process that `kill -9` may end: from then on no call of it has an effect. */
export function mortalTransport(transport: Transport, life: Life): Transport {
  const guarded = guard(transport, life);
  return {
    ...guarded,
    async *consume(spec, options) {
      for await (const delivery of transport.consume(spec, options)) {
        if (life.isOver) return;
        const { ack, nak, term, working } = guard(delivery, life);
        yield { ...facts(delivery), ack, nak, term, working };
      }
    },
    listen: transport.listen,
    serve: (subject, handler) =>
      transport.serve(subject, (message) => life.isOver ? new Promise(() => {}) : handler(message)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Wraps the store of such a process. */
export function mortalStore(store: Store, life: Life): Store {
  return { ...store, runs: guard(store.runs, life), secrets: guard(store.secrets, life) };
}

/** Wraps such a process's change of a run with its message. */
export function mortalPublishRun(publishRun: PublishRun, life: Life): PublishRun {
  return guard({ publishRun }, life).publishRun;
}

/** Wraps an object whose methods all fail once life is over, also for calls that had begun before. */
function guard<T extends object>(thing: T, life: Life): T {
  return new Proxy(thing, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      return async (...args: unknown[]) => {
        if (life.isOver) throw new Error(`Dead, cannot call ${String(name)}`);
        return await member.apply(target, args);
      };
    },
    ownKeys: (target) => Reflect.ownKeys(target),
  });
}

function facts({ subject, data, id, headers, deliveries, ackWaitMs }: Delivery) {
  return { subject, data, id, headers, deliveries, ackWaitMs };
}
