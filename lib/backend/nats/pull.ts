import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { abortable, delay, withDeadline } from "../../base/signals.ts";
import { startTimer, stopTimer, type Timer } from "../../base/timers.ts";
import type { ConsumerSpec, Delivery } from "../transport.ts";
import type { DeliveryPorts } from "./delivery.ts";
import type { Link } from "./link.ts";
import { untilThere } from "./until-there.ts";

/** Milliseconds. */
export interface PullTimes {
  /** A request for messages ends after this, and is made anew. */
  readonly expires: number;
  /** While a request is open the broker says that often that it is there; half of `expires` at most. */
  readonly heartbeat: number;
  /** How often the consumer is compared with what we want of it: others may have changed it. */
  readonly verify: number;
}

export const PULL_TIMES: PullTimes = { expires: 30_000, heartbeat: 3000, verify: 30_000 };

/** So long after a new connection a consumer may still be on its way, milliseconds. */
const AFTERMATH_MS = 5000;
/** So many heartbeats missed: the request is lost. */
const MISSED = 2.5;
const NANOS = 1_000_000;

export interface PullPorts {
  readonly link: Link;
  readonly times: PullTimes;
  /** Makes or mends the consumer, and answers its ack wait, milliseconds; throws what the client throws. */
  ensure(): Promise<number>;
  deliver(message: Msg, consumer: DeliveryPorts["consumer"]): Delivery;
  /** Called once, when the iteration has ended. */
  onEnd(): void;
}

/**
 * One instance's messages of one consumer. The broker is asked for exactly as many as `next` is waiting for, so what this
 * instance has no free slot for goes to another one at once. Whatever happens to the consumer, the stream, the broker or the
 * way to it is one line in the process log, and is mended; only a wrong spec is thrown.
 *
 * All requests are answered on one inbox. When something is wrong the inbox is given up, which withdraws the requests, and
 * what still comes there goes back.
 */
export class Pull implements AsyncIterableIterator<Delivery> {
  readonly #ports: PullPorts;
  readonly #connection: NatsConnection;
  readonly #spec: ConsumerSpec;
  readonly #log = processLog("nats");
  readonly #end = new AbortController();
  readonly #waiting: PromiseWithResolvers<IteratorResult<Delivery>>[] = [];
  readonly #leaving = new Set<Promise<void>>();
  #inbox: { subject: string; subscription: Subscription } | undefined;
  /** How many messages the broker was asked for and has not sent. */
  #open = 0;
  #restarting = false;
  #asking = false;
  #heardAt = 0;
  #checkedAt = 0;
  #restartedAt = -Infinity;
  #renewedAt = -Infinity;
  /** How often in a row it was restarted, each time shortly after the last. */
  #streak = 0;
  #reported = "";
  #verifiedAt = 0;
  #ackWaitMs: number;
  #monitor: Timer | undefined;

  constructor(spec: ConsumerSpec, ports: PullPorts) {
    this.#spec = spec;
    this.#ackWaitMs = spec.ackWaitMs;
    this.#ports = ports;
    this.#connection = ports.link.connection;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Delivery>> {
    if (this.#end.signal.aborted) return Promise.resolve({ done: true, value: undefined });
    const waiter = Promise.withResolvers<IteratorResult<Delivery>>();
    this.#waiting.push(waiter);
    if (this.#inbox) this.#askSoon();
    else void this.#restart({ ensure: true, calm: true });
    return waiter.promise;
  }

  async return(): Promise<IteratorResult<Delivery>> {
    this.stop();
    await Promise.all(this.#leaving);
    return { done: true, value: undefined };
  }

  /** Ends the iteration. `return` waits until what was on its way here has been sent back. */
  stop(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#ports.onEnd();
    stopTimer(this.#monitor);
    for (const waiter of this.#waiting.splice(0)) waiter.resolve({ done: true, value: undefined });
    this.#giveUpInbox();
  }

  /** The connection is another one: the broker knows nothing of the requests made before. */
  renew(): void {
    if (!this.#inbox) return;
    this.#renewedAt = performance.now();
    this.#restartedAt = this.#verifiedAt = -Infinity;
    void this.#restart({ calm: true });
    void this.#verify();
  }

  /** Requests of one moment are one request. */
  #askSoon(): void {
    if (this.#asking) return;
    this.#asking = true;
    queueMicrotask(() => {
      this.#asking = false;
      this.#ask();
    });
  }

  #ask(): void {
    const batch = this.#waiting.length - this.#open;
    if (batch <= 0 || !this.#inbox || this.#connection.isClosed()) return;
    const { expires, heartbeat } = this.#ports.times;
    const request = { batch, expires: expires * NANOS, idle_heartbeat: heartbeat * NANOS };
    const { stream, name } = this.#spec;
    const reply = this.#inbox.subject;
    this.#ports.link.send(() =>
      this.#connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, JSON.stringify(request), {
        reply,
      })
    );
    if (this.#open === 0) this.#heardAt = performance.now();
    this.#open += batch;
    this.#watch();
    void this.#verify();
  }

  #hear(message: Msg): void {
    this.#heardAt = performance.now();
    const code = message.data.length === 0 ? message.headers?.code ?? 0 : 0;
    if (code !== 0) return this.#hearStatus(code, message);
    this.#open--;
    const waiter = this.#waiting.shift();
    if (waiter) waiter.resolve({ done: false, value: this.#deliver(message) });
    else giveBack(message);
  }

  /** Who works on a message for long may ask for no other: the consumer is looked after by its signs of life, too. */
  #deliver(message: Msg): Delivery {
    return this.#ports.deliver(message, {
      ackWaitMs: () => this.#ackWaitMs,
      onWorking: () => void this.#verify(),
    });
  }

  #hearStatus(code: number, message: Msg): void {
    const said = message.headers?.description ?? "";
    if (code === 100) return;
    const unsent = Number(message.headers?.get("Nats-Pending-Messages"));
    // A request that ran its time. (404 and 408; with 409 only what speaks of one request.)
    if (code === 404 || code === 408 || /batch completed|exceeds maxbytes/i.test(said)) {
      this.#open = Math.max(0, this.#open - (unsent || 0));
      return this.#askSoon();
    }
    const why = code === 503 ? "nobody answers for it" : said.toLowerCase() || `status ${code}`;
    // What a new connection brings with it has its line already.
    const known = code === 503 && performance.now() - this.#renewedAt < AFTERMATH_MS;
    const ensure = !/leadership change|server shutdown/.test(why);
    void this.#restart(known ? { ensure } : { why, ensure });
  }

  /**
   * Gives the inbox up, makes sure of the consumer first where `ensure` says so or that was not enough, and asks again. Once
   * is nothing; again and again is slowed down, except where nothing is wrong (`calm`). Never rejects: a failure goes to the
   * caller of `next`.
   */
  async #restart(
    { why, ensure = false, calm = false }: { why?: string; ensure?: boolean; calm?: boolean },
  ): Promise<void> {
    if (this.#restarting || this.#end.signal.aborted) return;
    this.#restarting = true;
    this.#giveUpInbox();
    this.#streak = performance.now() - this.#restartedAt < 10_000 ? this.#streak + 1 : 0;
    if (why) void this.#report(why);
    if (this.#streak > 0) await this.#pause(Math.min(5000, 50 * 2 ** this.#streak));
    try {
      if (ensure || this.#streak > 0) {
        await untilThere(this.#spec, () => this.#ensure(), {
          link: this.#ports.link,
          signal: this.#end.signal,
        });
        this.#verifiedAt = performance.now();
      }
      this.#restarting = false;
      if (!calm) this.#restartedAt = performance.now();
      if (this.#end.signal.aborted || this.#connection.isClosed()) return this.stop();
      this.#openInbox();
      this.#ask();
    } catch (error) {
      this.#restarting = false;
      this.#waiting.shift()?.reject(error);
      this.stop();
    }
  }

  /** One line, unless it was the last one too, or the connection broke, which has a line of its own. Never rejects. */
  async #report(why: string): Promise<void> {
    if (this.#streak > 0 && why === this.#reported) return;
    this.#reported = why;
    await this.#pause(50);
    if (!this.#ports.link.isConnected || this.#end.signal.aborted) return;
    const { name, stream } = this.#spec;
    this.#log.warn("Consumer {consumer} of stream {stream}: {why}; asking anew", {
      consumer: name,
      stream,
      why,
    });
  }

  #openInbox(): void {
    const subject = this.#ports.link.inbox();
    const subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) {
          if (this.#inbox?.subject === subject) void this.#restart({ why: messageOf(error), ensure: true });
        } else if (this.#inbox?.subject === subject) this.#hear(message);
        else if (message.reply) giveBack(message);
      },
    });
    this.#inbox = { subject, subscription };
    this.#open = 0;
  }

  /** What the broker sent before it heard that we are gone goes back, instead of waiting for its ack. */
  #giveUpInbox(): void {
    const inbox = this.#inbox;
    this.#inbox = undefined;
    this.#open = 0;
    if (!inbox || this.#connection.isClosed()) return;
    this.#ports.link.flush(); // a request sent after this would be answered to nobody
    const drained = inbox.subscription.drain();
    const left = withDeadline(2000, (signal) => abortable(drained, signal)).catch(() => {});
    this.#leaving.add(left);
    left.then(() => this.#leaving.delete(left), () => {});
  }

  /** While messages are awaited: has anything been heard lately? */
  #watch(): void {
    if (this.#monitor !== undefined) return;
    const { heartbeat } = this.#ports.times;
    this.#checkedAt = performance.now();
    this.#monitor = startTimer(() => {
      this.#monitor = undefined;
      if (this.#open === 0) return;
      const now = performance.now();
      // A process that was stopped or busy itself has not listened.
      if (now - this.#checkedAt > 2 * heartbeat) this.#heardAt = now;
      if (now - this.#heardAt > MISSED * heartbeat && this.#ports.link.isConnected) {
        // That is all that a broker of 2.10 lets see of a consumer that was deleted; newer ones answer that it is not there.
        void this.#restart({ why: "missed its heartbeats", ensure: true });
      } else this.#watch();
    }, heartbeat);
  }

  /** Never rejects. */
  async #verify(): Promise<void> {
    if (performance.now() - this.#verifiedAt < this.#ports.times.verify) return;
    this.#verifiedAt = performance.now();
    // What stands in the way of a look shows in the requests themselves.
    await this.#ensure().catch(() => {});
  }

  async #ensure(): Promise<void> {
    this.#ackWaitMs = await this.#ports.ensure();
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, { signal: this.#end.signal }).catch(() => {});
  }
}

function giveBack(message: Msg): void {
  message.respond("-NAK");
}
