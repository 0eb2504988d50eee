import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { backOff } from "../../base/retry.ts";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { delay } from "../../base/signals.ts";
import { startTimer, stopTimer, type Timer } from "../../base/timers.ts";
import type { ConsumerSpec, Delivery } from "../transport.ts";
import type { DeliveryPorts } from "./delivery.ts";
import type { Link } from "./link.ts";
import { drained } from "./subscribe.ts";
import { untilThere } from "./until-there.ts";

/** Durations in milliseconds. */
export interface PullTimes {
  /** A pull request expires after this and is sent again. */
  readonly expires: number;
  /** Interval of the broker's idle heartbeats while a request is open; at most half of `expires`. */
  readonly heartbeat: number;
  /** How often the consumer's configuration is checked: another client may have changed it. */
  readonly verify: number;
}

export const PULL_TIMES: PullTimes = { expires: 30_000, heartbeat: 3000, verify: 30_000 };

/** For this long after a reconnect a consumer may still be unavailable, milliseconds. */
const AFTERMATH_MS = 5000;
/** A request is lost after this many missed heartbeats. */
const MISSED = 2.5;
const NANOS = 1_000_000;

export interface PullPorts {
  readonly link: Link;
  readonly times: PullTimes;
  /** Creates or repairs the consumer and returns its ack wait, milliseconds. Throws the client's errors. */
  ensure(): Promise<number>;
  deliver(message: Msg, consumer: DeliveryPorts["consumer"]): Delivery;
  /** Called once, when the iteration has ended. */
  onEnd(): void;
}

/**
 * Delivers one consumer's messages to this instance. Requests exactly as many messages as there are pending
 * calls of `next`, so a message that this instance has no slot for goes to another instance at once. Problems
 * with the consumer, the stream, the broker or the connection are retried and logged once each; only an
 * invalid spec is thrown.
 *
 * One inbox receives the answers to all requests. After an error the inbox is dropped, which withdraws the
 * requests; messages that still arrive on it are returned to the broker.
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
  /** Messages requested but not yet received. */
  #open = 0;
  #restarting = false;
  #asking = false;
  #heardAt = 0;
  #checkedAt = 0;
  #restartedAt = -Infinity;
  #renewedAt = -Infinity;
  /** Consecutive restarts, each shortly after the last one. */
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

  /** Ends the iteration. `return` also waits until messages in transit have been sent back. */
  stop(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#ports.onEnd();
    stopTimer(this.#monitor);
    for (const waiter of this.#waiting.splice(0)) waiter.resolve({ done: true, value: undefined });
    this.#giveUpInbox();
  }

  /** Called after a reconnect: the broker no longer knows the earlier requests. */
  renew(): void {
    if (!this.#inbox) return;
    this.#renewedAt = performance.now();
    this.#restartedAt = this.#verifiedAt = -Infinity;
    void this.#restart({ calm: true });
    void this.#verify();
  }

  /** Combines all requests of one microtask turn into one. */
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

  /**
   * An instance that works on one event for long may send no pull requests, so the heartbeats of the event
   * also trigger the check of the consumer.
   */
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
    // An expired request: 404 and 408, and a 409 about a single request.
    if (code === 404 || code === 408 || /batch completed|exceeds maxbytes/i.test(said)) {
      this.#open = Math.max(0, this.#open - (unsent || 0));
      return this.#askSoon();
    }
    const why = code === 503 ? "nobody answers for it" : said.toLowerCase() || `status ${code}`;
    // A reconnect has already been logged.
    const known = code === 503 && performance.now() - this.#renewedAt < AFTERMATH_MS;
    const ensure = !/leadership change|server shutdown/.test(why);
    void this.#restart(known ? { ensure } : { why, ensure });
  }

  /**
   * Drops the inbox, ensures the consumer first if `ensure` is set or the last restart was recent, and pulls
   * again. Repeated restarts back off unless `calm`. Never rejects: an error rejects the pending `next` and
   * ends the iteration.
   */
  async #restart(
    { why, ensure = false, calm = false }: { why?: string; ensure?: boolean; calm?: boolean },
  ): Promise<void> {
    if (this.#restarting || this.#end.signal.aborted) return;
    this.#restarting = true;
    this.#giveUpInbox();
    this.#streak = performance.now() - this.#restartedAt < 10_000 ? this.#streak + 1 : 0;
    if (why) void this.#report(why);
    if (this.#streak > 0) await this.#pause(backOff(this.#streak, 100, 5000));
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

  /**
   * Logs one line, unless it repeats the last one or the connection was lost, which has its own. Never
   * rejects.
   */
  async #report(why: string): Promise<void> {
    if (this.#streak > 0 && why === this.#reported) return;
    this.#reported = why;
    await this.#pause(50);
    if (!this.#ports.link.isConnected || this.#end.signal.aborted) return;
    const { name, stream } = this.#spec;
    this.#log.warn("Consumer {consumer} of stream {stream}: {why}; asking again", {
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

  /**
   * Drops the inbox. Messages that the broker sends before it processes the unsubscribe are returned, so they
   * do not wait for the ack timeout.
   */
  #giveUpInbox(): void {
    const inbox = this.#inbox;
    this.#inbox = undefined;
    this.#open = 0;
    if (!inbox || this.#connection.isClosed()) return;
    this.#ports.link.flush(); // a request sent after this would be answered to nobody
    const left = drained(this.#ports.link, inbox.subscription);
    this.#leaving.add(left);
    left.then(() => this.#leaving.delete(left), () => {});
  }

  /** Restarts if heartbeats stop while requests are open. */
  #watch(): void {
    if (this.#monitor !== undefined) return;
    const { heartbeat } = this.#ports.times;
    this.#checkedAt = performance.now();
    this.#monitor = startTimer(() => {
      this.#monitor = undefined;
      if (this.#open === 0) return;
      const now = performance.now();
      // If this process was paused or busy, a late heartbeat says nothing about the broker.
      if (now - this.#checkedAt > 2 * heartbeat) this.#heardAt = now;
      if (now - this.#heardAt > MISSED * heartbeat && this.#ports.link.isConnected) {
        // NATS 2.10 shows a deleted consumer only by missing heartbeats; newer brokers answer that there is
        // none.
        void this.#restart({ why: "missed its heartbeats", ensure: true });
      } else this.#watch();
    }, heartbeat);
  }

  /** Never rejects. */
  async #verify(): Promise<void> {
    if (performance.now() - this.#verifiedAt < this.#ports.times.verify) return;
    this.#verifiedAt = performance.now();
    // If this check fails, the requests fail too and are handled there.
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
