import type { Delivery, Transport } from "../../lib/backend/transport.ts";
import { Retryable } from "../../lib/base/errors.ts";
import { turns } from "../support/until.ts";

/**
 * The transport, with everything happening to its user that the contract allows: deliveries are late, lost on
 * the way, repeated while the first is still in hand (whose ack then does nothing), and so in another order
 * when they are repeated; broadcasts are dropped; calls throw `Retryable`, without effect or after it. A call
 * with the same key (subject and id, run and name …) never fails twice in a row, and a message is left alone
 * from its fifth delivery on, so whoever tries again comes through.
 *
 * The same seed does the same to the same message, however the calls are interleaved.
 */
export function hostile(transport: Transport, seed: number): Transport {
  const fate = fates(seed);
  const fails = failures(fate);

  const call = async <T>(what: string, key: string, made: () => Promise<T>): Promise<T> => {
    const when = fails(what, key);
    await pause(fate(`late ${what}`, key));
    if (when === "before") throw failure(when, what, key);
    const result = await made();
    if (when === "after") throw failure(when, what, key);
    return result;
  };

  return {
    get maxMessageBytes() {
      return transport.maxMessageBytes;
    },
    publish: (subject, data, options) =>
      call("publish", `${subject} ${options?.id ?? ""}`, () => transport.publish(subject, data, options)),
    publishAll: async (subject, messages) => {
      for (const { data, ...options } of messages) {
        const key = `${subject} ${options.id ?? ""}`;
        await call("publish", key, () => transport.publish(subject, data, options));
      }
    },
    broadcast: (subject, data) => call("broadcast", subject, () => transport.broadcast(subject, data)),
    request: (subject, data, options) =>
      call("request", subject, () => transport.request(subject, data, options)),
    ensureConsumer: (spec) => call("ensureConsumer", spec.name, () => transport.ensureConsumer(spec)),
    demand: (subject) => call("demand", subject, () => transport.demand(subject)),
    holds: (stream, id) => call("holds", id, () => transport.holds(stream, id)),
    readMark: (name) => call("readMark", name, () => transport.readMark(name)),
    writeMark: (name, text, revision) =>
      call("writeMark", name, () => transport.writeMark(name, text, revision)),
    putBlob: (run, name, bytes, options) =>
      call("putBlob", `${run} ${name}`, () => transport.putBlob(run, name, bytes, options)),

    async listen(subject, handler) {
      if (fails("listen", subject)) throw failure("before", "listen", subject);
      return await transport.listen(subject, (message) => {
        if (fate("dropped", message.subject) >= 0.3) handler(message);
      });
    },

    async serve(subject, handler) {
      if (fails("serve", subject)) throw failure("before", "serve", subject);
      return await transport.serve(subject, async (message) => {
        await pause(fate("late answer", message.subject));
        return await handler(message);
      });
    },

    async *consume(spec, options) {
      for await (const delivery of transport.consume(spec, options)) {
        const key = `${spec.name} ${delivery.id ?? delivery.subject}`;
        const what = delivery.deliveries > 4 ? 1 : fate("delivery", key);
        await pause(fate("late delivery", key));
        if (what < 0.1) {
          await delivery.nak(20);
        } else if (what < 0.25) {
          await delivery.nak();
          yield lapsed(delivery);
        } else {
          yield unreliable(delivery, key);
        }
      }
    },

    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };

  function unreliable(delivery: Delivery, key: string): Delivery {
    return {
      ...facts(delivery),
      ack: () => call("ack", key, () => delivery.ack()),
      nak: (delayMs) => call("nak", key, () => delivery.nak(delayMs)),
      term: (reason) => call("term", key, () => delivery.term(reason)),
      working: () => call("working", key, () => delivery.working()),
    };
  }
}

/** A number in [0, 1) for the n-th time that something is asked about a key. */
type Fate = (what: string, key: string) => number;

function fates(seed: number): Fate {
  const times = new Map<string, number>();
  return (what, key) => {
    const asked = `${what} ${key}`;
    const n = (times.get(asked) ?? 0) + 1;
    times.set(asked, n);
    return hash(`${seed} ${asked} ${n}`) / 2 ** 32;
  };
}

/** FNV-1a, and a last stir so that texts which differ at their ends only fall far apart. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/** Whether this call fails, and when; never one with the same key twice in a row. */
function failures(fate: Fate): (what: string, key: string) => "before" | "after" | undefined {
  const failed = new Set<string>();
  return (what, key) => {
    const call = `${what} ${key}`;
    if (failed.delete(call)) return undefined;
    const when = fate("failure", call);
    if (when >= 0.25) return undefined;
    failed.add(call);
    return when < 0.12 ? "before" : "after";
  };
}

function failure(when: string, what: string, key: string): Retryable {
  return new Retryable(`The hostile transport failed ${when} ${what} ${key}`, {
    reason: "transport-unreachable",
  });
}

/** Half of the times not at all, else for up to a hundred turns of the event loop. */
async function pause(fate: number): Promise<void> {
  if (fate >= 0.5) await turns(Math.round((fate - 0.5) * 200));
}

/** A delivery whose ack wait has passed: it is already on its way to somebody else. */
function lapsed(delivery: Delivery): Delivery {
  const nothing = () => Promise.resolve();
  return { ...facts(delivery), ack: nothing, nak: nothing, term: nothing, working: nothing };
}

function facts({ subject, data, id, headers, deliveries, ackWaitMs }: Delivery) {
  return { subject, data, id, headers, deliveries, ackWaitMs };
}
