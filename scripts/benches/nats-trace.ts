import { randomUUID } from "node:crypto";
import { openNats } from "../../lib/backend/nats/transport.ts";
import type { Delivery, Transport } from "../../lib/backend/transport.ts";
import { startInstance } from "../../lib/driver/instance.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import type { Bench, Figure } from "./bench.ts";
import { brokerWithStreams, eventOf, grantAll } from "./nats-scene.ts";
import { NO_DOCKER, noOp, SETTINGS, TYPE } from "./no-op.ts";
import { formatMs, median, rounded } from "./numbers.ts";

const EVENTS = 200;

const CASES = [
  { what: "from a Conveyor server", exclusive: false, claims: false },
  { what: "from a Conveyor server, exclusive driver", exclusive: true, claims: false },
  { what: "from our control plane", exclusive: false, claims: true },
] as const;

/** A request made for an event, or a moment without duration; milliseconds since the event was published. */
interface Span {
  readonly what: string;
  readonly from: number;
  readonly to: number;
}

/**
 * The way of one event through an idle driver that does nothing: each request, when it was sent and how long
 * its answer took.
 */
export const natsTrace: Bench = {
  name: "nats-trace",
  group: "nats",
  async measure({ say }) {
    await using server = await brokerWithStreams();
    await using transport = await openNats({ servers: [server.url] });
    await using publisher = await openNats({ servers: [server.url] });
    await using _claims = await grantAll(publisher);
    const figures: Figure[] = [];
    for (const [i, one] of CASES.entries()) {
      say(`${EVENTS} events ${one.what}`);
      figures.push(
        ...figuresOf(one.what, await traces(transport, publisher, { ...one, name: `traced-${i}` })),
      );
    }
    return figures;
  },
};

async function traces(
  transport: Transport,
  publisher: Transport,
  { name, exclusive, claims }: { name: string; exclusive: boolean; claims: boolean },
): Promise<Span[][]> {
  let began = 0;
  let spans: Span[] = [];
  let settled = Promise.withResolvers<void>();
  const traced = tracing(transport, (span) => {
    spans.push({ ...span, from: span.from - began, to: span.to - began });
    // The last request of each case.
    if (span.what === (exclusive ? "mark it as settled" : "ack")) settled.resolve();
  });
  const driver = noOp(name, () => {
    const now = performance.now() - began;
    spans.push({ what: "reconcile begins", from: now, to: now });
  });
  await using instance = startInstance({
    driver: { ...driver, exclusive },
    transport: traced,
    docker: NO_DOCKER,
    settings: SETTINGS,
  });
  await instance.ready;
  const all: Span[][] = [];
  for (let i = 0; i < EVENTS + 20; i++) {
    settled = Promise.withResolvers();
    spans = [];
    const run = randomUUID();
    const headers: Record<string, string> = claims ? { [HEADERS.claims]: "1", [HEADERS.step]: name } : {};
    began = performance.now();
    void publisher.publish(subjects.step(name, TYPE), eventOf(run), { headers });
    await settled.promise;
    if (i >= 20) all.push(spans);
    await Bun.sleep(2);
  }
  return all;
}

/** Wraps a transport and reports each call. */
function tracing(transport: Transport, onSpan: (span: Span) => void): Transport {
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const from = performance.now();
    try {
      return await work();
    } finally {
      onSpan({ what, from, to: performance.now() });
    }
  };
  const heard = async function* (events: AsyncIterable<Delivery>): AsyncGenerator<Delivery> {
    for await (const delivery of events) {
      const now = performance.now();
      onSpan({ what: "delivered", from: now, to: now });
      yield new Proxy(delivery, {
        get: (target, key) =>
          key === "ack" ? () => timed("ack", () => target.ack()) : Reflect.get(target, key, target),
      });
    }
  };
  const watched: Partial<Transport> = {
    publish: (subject, ...rest) => timed(`publish on ${subject}`, () => transport.publish(subject, ...rest)),
    request: (...all) => timed("ask for the claim", () => transport.request(...all)),
    writeMark: (name, text, revision) =>
      timed(
        text === "done" ? "mark it as settled" : "mark it as begun",
        () => transport.writeMark(name, text, revision),
      ),
    readMark: (name) => timed("read its mark", () => transport.readMark(name)),
    consume: (...all) => heard(transport.consume(...all)),
  };
  return new Proxy(transport, {
    get: (target, key) => Reflect.get(watched, key) ?? Reflect.get(target, key, target),
  });
}

function figuresOf(what: string, all: readonly Span[][]): Figure[] {
  const [first = []] = all;
  return first.map(({ what: step }, i) => {
    const same = all.flatMap((spans) => spans[i]?.what === step ? [spans[i]] : []);
    const [fromMs, tookMs] = [
      median(same.map(({ from }) => from)),
      median(same.map(({ from, to }) => to - from)),
    ];
    return {
      what: `an event ${what}, ${i + 1}: ${step}`,
      ours: tookMs === 0 ? `at ${formatMs(fromMs)}` : `at ${formatMs(fromMs)}, takes ${formatMs(tookMs)}`,
      numbers: { fromMs: rounded(fromMs), tookMs: rounded(tookMs) },
    };
  });
}
