import { randomUUID } from "node:crypto";
import { openNats } from "../../lib/backend/nats/transport.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import { startInstance } from "../../lib/driver/instance.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import type { Bench, Figure } from "./bench.ts";
import { bareDriver } from "./nats-bare.ts";
import { brokerWithStreams, eventOf, grantAll } from "./nats-scene.ts";
import { NO_DOCKER, noOp, SETTINGS, TYPE } from "./no-op.ts";
import { formatMs, quantile, rounded } from "./numbers.ts";

const SINGLE = 500;
const QUEUED = 20_000;
const AT_ONCE = 32;
const LATENCY = { ratio: 1.3, p99: 2 };
const RATE = { plain: 10_000, claimed: 5000 };

/** What an event costs on a real broker with a driver that does nothing. */
export const natsEvents: Bench = {
  name: "nats-events",
  group: "nats",
  async measure({ say }) {
    await using server = await brokerWithStreams();
    await using transport = await openNats({ servers: [server.url] });
    await using publisher = await openNats({ servers: [server.url] });
    await using _claims = await grantAll(transport);
    say(`${SINGLE} events one after the other, beside a bare program`);
    const latencies = await compareLatency(server.url, transport, publisher);
    say(`${QUEUED} events queued, ${AT_ONCE} at once`);
    const plain = await rate(transport, publisher, false);
    const claimed = await rate(transport, publisher, true);
    return [
      latencies,
      rateFigure("without claims", plain, RATE.plain),
      rateFigure("with claims", claimed, RATE.claimed),
    ];
  },
};

async function compareLatency(url: string, transport: Transport, publisher: Transport): Promise<Figure> {
  const bare = await latency(publisher, "bare", (onBegin) => bareDriver(url, "bare", onBegin));
  const ours = await latency(publisher, "ours", async (onBegin) => {
    const instance = startInstance({
      driver: noOp("ours", onBegin),
      transport,
      docker: NO_DOCKER,
      settings: SETTINGS,
    });
    await instance.ready;
    return instance;
  });
  const [p50, p99, bareP50] = [quantile(ours, 0.5), quantile(ours, 0.99), quantile(bare, 0.5)];
  return {
    what: "event published to reconcile entered, one idle instance, no claims",
    ours: `p50 ${formatMs(p50)}, p99 ${formatMs(p99)}`,
    reference: `p50 ${formatMs(bareP50)}, p99 ${formatMs(quantile(bare, 0.99))} (bare nats.js)`,
    ratio: p50 / bareP50,
    target: `p50 ratio ≤ ${LATENCY.ratio}, p99 ≤ ${LATENCY.p99} ms`,
    isMet: p50 <= LATENCY.ratio * bareP50 && p99 <= LATENCY.p99,
    numbers: { p50Ms: rounded(p50), p99Ms: rounded(p99), bareP50Ms: rounded(bareP50) },
  };
}

async function latency(
  publisher: Transport,
  name: string,
  start: (onBegin: (run: string) => void) => Promise<AsyncDisposable>,
): Promise<number[]> {
  const begun = new Map<string, () => void>();
  await using _driver = await start((run) => begun.get(run)?.());
  const times: number[] = [];
  for (let i = 0; i < SINGLE + 50; i++) {
    const run = randomUUID();
    const { promise, resolve } = Promise.withResolvers<void>();
    begun.set(run, resolve);
    const at = performance.now();
    void publisher.publish(subjects.step(name, TYPE), eventOf(run));
    await promise;
    if (i >= 50) times.push(performance.now() - at);
    await Bun.sleep(2);
  }
  return times;
}

async function rate(transport: Transport, publisher: Transport, claims: boolean): Promise<number> {
  const name = claims ? "claimed" : "plain";
  await publisher.ensureConsumer({
    stream: "messages",
    name,
    filters: [subjects.step(name, TYPE)],
    ackWaitMs: 30_000,
  });
  const headers: Record<string, string> = claims ? { [HEADERS.claims]: "1", [HEADERS.step]: name } : {};
  for (let i = 0; i < QUEUED; i += 500) {
    await Promise.all(Array.from({ length: 500 }, () => {
      const run = randomUUID();
      return publisher.publish(subjects.step(name, TYPE), eventOf(run), { id: `${run}/${name}/1`, headers });
    }));
  }
  const done = Promise.withResolvers<number>();
  let count = 0;
  const driver = noOp(name, () => ++count === QUEUED && done.resolve(performance.now()));
  const began = performance.now();
  await using instance = startInstance({
    driver,
    transport,
    docker: NO_DOCKER,
    settings: SETTINGS,
    concurrency: AT_ONCE,
  });
  const ended = await done.promise;
  await instance.drain(10_000);
  return QUEUED / ((ended - began) / 1000);
}

function rateFigure(what: string, perSecond: number, target: number): Figure {
  return {
    what: `events/s of ${QUEUED} queued, one process, PubAck awaited before the ack, ${what}`,
    ours: `${Math.round(perSecond)}/s`,
    target: `≥ ${target}/s`,
    isMet: perSecond >= target,
    numbers: { perSecond: rounded(perSecond) },
  };
}
