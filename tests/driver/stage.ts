import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Embedded, openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import type { Delivery, Transport } from "../../lib/backend/transport.ts";
import { Retryable } from "../../lib/base/errors.ts";
import type { Context, Driver, DriverSettings } from "../../lib/driver/driver.ts";
import { type Instance, type InstanceOptions, startInstance } from "../../lib/driver/instance.ts";
import { withoutContainers } from "../../lib/driver/testing/scripted-docker.ts";
import { ClaimReply, ClaimRequest } from "../../lib/wire/claim.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import type { Log } from "../../lib/wire/messages.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { testSettings } from "../support/settings.ts";
import { until } from "../support/until.ts";
import { within } from "../support/within.ts";

export { until, within };

export const TYPE = "flutter-builder";

/** What a driver sent to the engine. */
export interface Sent {
  readonly id: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly run: string;
  readonly resource: Record<string, unknown>;
  readonly result: DriverResult & { driver: string; data: Record<string, unknown> };
}

export interface EventOptions {
  readonly run?: string;
  readonly step?: string;
  readonly driver?: string;
  /** With claims (default), or without, as from a Conveyor server. */
  readonly claims?: boolean;
  readonly event?: string;
  readonly id?: string;
  readonly metadata?: Record<string, unknown>;
  readonly spec?: unknown;
  /** Replaces the resource's text. */
  readonly payload?: unknown;
  /** Replaces the whole message. */
  readonly data?: string | Uint8Array;
  readonly subject?: string;
}

/** Answers a claim; `n` counts the requests of this stage from 1. Undefined: no answer. */
export type Engine = (
  request: ClaimRequest,
  run: string,
  n: number,
) => ClaimReply | undefined | Promise<ClaimReply>;

/** A backend with drivers, and a test that acts as the engine. */
export interface Stage extends AsyncDisposable {
  readonly embedded: Embedded;
  readonly transport: Transport;
  /** The claims asked so far. */
  readonly claims: readonly ClaimRequest[];
  start(reconcile: Driver["reconcile"] | Driver, options?: Partial<InstanceOptions>): Instance;
  /** Publishes an event once all instances are ready. Returns the run's id. */
  send(event?: EventOptions): Promise<string>;
  /** Resolves to the next result; fails the test if none comes. */
  result(): Promise<Sent>;
  /** The number of results that were not taken with `result`. */
  left(): number;
  log(run: string): Promise<Log[]>;
  messages(run: string): Promise<string[]>;
}

export const SETTINGS: DriverSettings = testSettings({ owner: "test", host: "here", graceMs: 20 });

/** Grants every delivery an attempt of its own. */
function attempts(): Engine {
  const granted = new Map<string, number>();
  return ({ step, attempt }, run) => {
    const key = `${run}/${step}`;
    if (attempt === undefined) granted.set(key, (granted.get(key) ?? 0) + 1);
    return { answer: "go", attempt: attempt ?? granted.get(key) ?? 1 };
  };
}

export interface StageOptions {
  readonly engine?: Engine;
  /** Wraps the transport that the drivers get. */
  readonly through?: (transport: Transport) => Transport;
}

export async function openStage(
  { engine = attempts(), through = (same) => same }: StageOptions = {},
): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "driver-test-"));
  const embedded = await openEmbedded({ folder, scope: randomUUID() });
  const { transport, store } = embedded;
  const claims: ClaimRequest[] = [];
  const serving = await transport.serve(subjects.claims, async ({ subject, data }) => {
    const request = ClaimRequest.parse(JSON.parse(Buffer.from(data).toString()));
    claims.push(request);
    const reply = await engine(request, subject.split(".")[1] ?? "", claims.length);
    if (!reply) throw new Error("No answer");
    return JSON.stringify(reply);
  });
  const inbox = inboxOf(transport);
  const instances: Instance[] = [];
  const visible = through(transport);
  const messages = async (run: string) => (await store.logs.tail(run, 100_000)).map((line) => line.message);
  return {
    embedded,
    transport,
    claims,
    start(reconcile, options = {}) {
      const driver = typeof reconcile === "function"
        ? { name: "builder", resources: [TYPE], reconcile }
        : reconcile;
      const instance = startInstance({
        driver,
        transport: visible,
        docker: withoutContainers(),
        settings: SETTINGS,
        retryMs: 1,
        cleanupMs: 500,
        reportMs: 5000,
        ...options,
      });
      instances.push(instance);
      return instance;
    },
    async send(event = {}) {
      await Promise.allSettled(instances.map((instance) => instance.ready));
      return await send(transport, event);
    },
    result: inbox.next,
    left: inbox.left,
    log: (run) => store.logs.tail(run, 100_000),
    messages,
    async [Symbol.asyncDispose]() {
      for (const instance of instances) await instance[Symbol.asyncDispose]();
      await inbox.close();
      await serving[Symbol.asyncDispose]();
      await embedded[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function send(transport: Transport, options: EventOptions): Promise<string> {
  const { run = randomUUID(), step = "build", driver = "builder", claims = true } = options;
  const subject = options.subject ?? subjects.step(driver, TYPE);
  const resource = {
    id: "r-1",
    name: "app",
    pipeline: "flutter",
    resource: TYPE,
    metadata: options.metadata ?? {},
    spec: options.spec ?? {},
  };
  const data = options.data ?? JSON.stringify({
    event: options.event ?? "create",
    payload: options.payload ?? JSON.stringify(resource),
    id: "0011aabbccddeeff00112233",
    run_id: run,
  });
  await transport.publish(subject, data, {
    id: options.id ?? `${run}/${step}/1`,
    headers: claims ? { [HEADERS.claims]: "1", [HEADERS.step]: step } : {},
  });
  return run;
}

function inboxOf(transport: Transport) {
  const ending = new AbortController();
  const waiting: Sent[] = [];
  let wake = Promise.withResolvers<void>();
  const taking = (async () => {
    const spec = {
      stream: "pipeline-engine",
      name: "test-engine",
      filters: [subjects.pipelines],
      ackWaitMs: 30_000,
    } as const;
    for await (const delivery of transport.consume(spec, { signal: ending.signal })) {
      waiting.push(sentBy(delivery));
      await delivery.ack();
      wake.resolve();
      wake = Promise.withResolvers();
    }
  })();
  const next = async (): Promise<Sent> => {
    for (;;) {
      const sent = waiting.shift();
      if (sent) return sent;
      await within(wake.promise, "a result");
    }
  };
  const close = async () => {
    ending.abort();
    await taking;
  };
  return { next, left: () => waiting.length, close };
}

function sentBy({ id, headers, data }: Delivery): Sent {
  const text = Buffer.from(data).toString();
  const { run_id: run, resource, driverresult: result } = JSON.parse(text);
  return { id, headers, text, run, resource, result };
}

export const succeed = (message = "done", data?: unknown): DriverResult => ({ success: true, message, data });

/** Works until the signal fires. */
export async function workUntilStopped({ signal }: Context): Promise<never> {
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
  throw signal.reason;
}

export const dockerAway = () => new Retryable("Cannot reach Docker", { reason: "docker-unreachable" });

/** The transport, with some of its deliveries changed. */
export function changed(transport: Transport, change: (delivery: Delivery) => Partial<Delivery>): Transport {
  return {
    ...bound(transport),
    async *consume(spec, options) {
      for await (const delivery of transport.consume(spec, options)) {
        const { subject, data, id, headers, deliveries, ackWaitMs } = delivery;
        yield {
          subject,
          data,
          id,
          headers,
          deliveries,
          ackWaitMs,
          ack: () => delivery.ack(),
          nak: (ms) => delivery.nak(ms),
          term: (why) => delivery.term(why),
          working: () => delivery.working(),
          ...change(delivery),
        };
      }
    },
  };
}

/** The transport as an object whose calls can be replaced one by one. */
export function bound(transport: Transport): Transport {
  return {
    maxMessageBytes: transport.maxMessageBytes,
    publish: (...given) => transport.publish(...given),
    publishAll: (...given) => transport.publishAll(...given),
    broadcast: (...given) => transport.broadcast(...given),
    listen: (...given) => transport.listen(...given),
    request: (...given) => transport.request(...given),
    serve: (...given) => transport.serve(...given),
    ensureConsumer: (...given) => transport.ensureConsumer(...given),
    consume: (...given) => transport.consume(...given),
    demand: (...given) => transport.demand(...given),
    holds: (...given) => transport.holds(...given),
    readMark: (...given) => transport.readMark(...given),
    writeMark: (...given) => transport.writeMark(...given),
    putBlob: (...given) => transport.putBlob(...given),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
