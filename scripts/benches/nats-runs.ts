import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { ensureStreams } from "../../lib/backend/nats/streams.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import type { Engine } from "../../lib/engine/shell/engine.ts";
import { startEngine } from "../../lib/engine/shell/start.ts";
import type { Pipeline } from "../../lib/wire/resource.ts";
import { type NatsServer, startNats } from "../../tests/support/nats-server.ts";
import type { Bench, Figure, Place } from "./bench.ts";
import { TYPE } from "./no-op.ts";
import { formatMs, median, quantile, rounded } from "./numbers.ts";

const STEPS = ["one", "two"];
const SINGLE_RUNS = 200;
const QUEUED_RUNS = 10_000;
const AT_ONCE = 200;
const RUN = { p50: 8, p99: 25 };
const START = { ms: 250, megabytes: 60 };
const SLOWEST_END = 0.9;

/** The cost of whole runs on our control plane over a real broker, and of its drivers' processes. */
export const natsRuns: Bench = {
  name: "nats-runs",
  group: "nats",
  async measure(place) {
    await using server = await startNats();
    const connection = await connectNats({ servers: [server.url] });
    await ensureStreams(connection);
    await connection.close();
    await using transport = await openNats({ servers: [server.url] });
    await using embedded = await openEmbedded({ folder: join(place.folder, "data"), scope: "up" });
    const { store, sealKey } = embedded;
    await using engine = await startEngine({ transport, store, sealKey, adopt: true, ackWaitMs: 2000 });
    const starts = [
      await startFigure("from source on Bun", join(place.root, "bin/git-cloner"), place, server),
    ];
    const single = join(place.root, "dist/git-cloner");
    if (existsSync(single)) starts.push(await startFigure("single file", single, place, server));
    return [...starts, ...await runFigures(place, server, engine)];
  },
};

async function runFigures({ say }: Place, server: NatsServer, engine: Engine): Promise<Figure[]> {
  const workers = await Promise.all(
    STEPS.flatMap((step) => Array.from({ length: 4 }, () => startWorker(server.url, step))),
  );
  try {
    say(`${SINGLE_RUNS} runs of two steps, one after the other`);
    const times: number[] = [];
    for (let i = 0; i < SINGLE_RUNS + 20; i++) {
      const began = performance.now();
      await oneRun(engine);
      if (i >= 20) times.push(performance.now() - began);
    }
    say(`${QUEUED_RUNS} runs, ${workers.length} instances, half of them killed half way`);
    const ended: number[] = [];
    let next = 0;
    const began = performance.now();
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      while (next < QUEUED_RUNS) {
        if (++next === QUEUED_RUNS / 2) {
          for (const [i, worker] of workers.entries()) if (i % 2) worker.kill(9);
        }
        await oneRun(engine);
        ended.push(performance.now() - began);
      }
    }));
    return [latencyFigure(times), fleetFigure(ended)];
  } finally {
    for (const worker of workers) worker.kill();
  }
}

function latencyFigure(times: number[]): Figure {
  const [p50, p99] = [median(times), quantile(times, 0.99)];
  return {
    what: "run of two steps that do nothing, submitted to ended",
    ours: `p50 ${formatMs(p50)}, p99 ${formatMs(p99)}`,
    target: `p50 ≤ ${RUN.p50} ms, p99 ≤ ${RUN.p99} ms`,
    isMet: p50 <= RUN.p50 && p99 <= RUN.p99,
    numbers: { p50Ms: rounded(p50), p99Ms: rounded(p99) },
  };
}

/** All runs have succeeded by now. Compares the last ones with the first: they must not become slower. */
function fleetFigure(ended: number[]): Figure {
  const part = QUEUED_RUNS / 5;
  const first = part / ((ended[part - 1] ?? NaN) / 1000);
  const last = part / (((ended.at(-1) ?? NaN) - (ended.at(-part - 1) ?? NaN)) / 1000);
  return {
    what:
      `${QUEUED_RUNS} runs on 8 instances, half of them killed half way: all succeeded; runs/s at the end`,
    ours: `${Math.round(last)}/s`,
    reference: `${Math.round(first)}/s at the start`,
    target: `≥ ${SLOWEST_END} × the start`,
    isMet: last >= SLOWEST_END * first,
    numbers: { firstPerSecond: rounded(first), lastPerSecond: rounded(last), runs: ended.length },
  };
}

async function oneRun(engine: Engine): Promise<void> {
  const run = await engine.submit({
    resource: { id: "bench", name: "bench", resource: TYPE, metadata: {}, spec: {} },
    pipeline: PIPELINE,
    operation: "create",
    timeoutMs: 600_000,
    restarts: 0,
    secrets: {},
  });
  for await (const event of engine.follow(run, { logs: false })) {
    if (event.type === "end" && event.outcome !== "succeeded") throw new Error(event.message);
  }
}

async function startWorker(url: string, name: string) {
  const worker = Bun.spawn(["bun", "--no-env-file", join(import.meta.dir, "nats-worker.ts"), url, name], {
    stdout: "pipe",
    stderr: "ignore",
  });
  await saying(worker.stdout, "ready");
  return worker;
}

/** A driver's program: its time from start to first pull, and its memory and processor time while idle. */
async function startFigure(
  kind: string,
  program: string,
  { say }: Place,
  server: NatsServer,
): Promise<Figure> {
  say(`a driver's process, ${kind}, from start to consuming`);
  const times: number[] = [];
  let bytes = 0;
  for (let i = 0; i < 7; i++) {
    const began = performance.now();
    const child = Bun.spawn([program, "--nats", server.url], { stdout: "ignore", stderr: "pipe" });
    await saying(child.stderr, "takes events");
    times.push(performance.now() - began);
    await Bun.sleep(1000);
    bytes = memoryOf(child.pid);
    child.kill();
    await child.exited;
  }
  const megabytes = bytes / 1e6;
  return {
    what: `driver's process, ${kind}, start to consuming; idle memory`,
    ours: `${formatMs(median(times))}; ${megabytes.toFixed(0)} MB`,
    target: `≤ ${START.ms} ms; ≤ ${START.megabytes} MB`,
    isMet: median(times) <= START.ms && megabytes <= START.megabytes,
    numbers: { ms: rounded(median(times)), bytes },
  };
}

async function saying(stream: ReadableStream<Uint8Array>, words: string): Promise<void> {
  let said = "";
  for await (const chunk of stream) {
    said += new TextDecoder().decode(chunk);
    if (said.includes(words)) return;
  }
  throw new Error(`The process ended without saying "${words}": ${said}`);
}

function memoryOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

const PIPELINE: Pipeline = {
  name: "bench",
  resource: TYPE,
  steps: STEPS.map((driver) => ({ id: driver, name: driver, driver })),
};
