import { join } from "node:path";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { newRun } from "../../lib/engine/core/new-run.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import type { Bench, Figure } from "./bench.ts";
import { formatMs, quantile, rounded } from "./numbers.ts";
import { startPlane } from "./plane.ts";

const STORED = 100_000;
const PAGES = 500;
const POSTS = 4000;
const WARM_UP = 500;
const PACED = 2000;
const PER_SECOND = 200;
const CONNECTIONS = 16;
const LINES = 1_000_000;
const BATCH = 500;
const LOG_RUN = "11111111-2222-4333-8444-555555555555";
/** Runs with logs of their own; with the large one they have ten million lines. */
const LOGGED_RUNS = 900;
const LOGGED_LINES = 10_000;
const READS = 20;
/** Writes in flight at once while the folder is filled. */
const AT_ONCE = 64;
const PIPELINE = { name: "line", resource: "thing", steps: [{ id: "a", name: "A", driver: "nobody" }] };
const RESOURCE = {
  id: "r",
  name: "thing",
  resource: "thing",
  spec: { repository: "https://git.example.com/app.git", size: 1 },
};

/** Measures the control plane's API over its socket, in one process with its store. */
export const api: Bench = {
  name: "api",
  group: "plane",
  async measure({ folder, program, say }) {
    const data = join(folder, "data");
    say(`storing ${STORED} runs and ${LINES + LOGGED_RUNS * LOGGED_LINES} lines`);
    const logged = await fill(data);
    await using plane = await startPlane({ program, data, flags: ["--max-runs", "1000000"] });
    const { url, headers, readyMs } = plane;
    const idle = await residentBytes(url, headers);
    const figures = [startFigure(readyMs, idle), await pages(url, headers)];
    figures.push(await logFigure(url, headers), await runLogFigure(url, headers, logged));
    figures.push(...await posts(url, headers));
    return figures;
  },
};

/** Returns a run in the middle of those with logs of their own. */
async function fill(folder: string): Promise<string> {
  await using embedded = await openEmbedded({ folder, scope: "fill" });
  const { store: { runs }, transport } = embedded;
  const submission = {
    resource: RESOURCE,
    pipeline: PIPELINE,
    operation: "create",
    timeoutMs: 60_000,
    restarts: 0,
    secrets: {},
  } as const;
  const start = Date.now() - STORED * 1000;
  const ended = (id: string, at: number) =>
    runs.put(
      id,
      { ...newRun(id, submission, at), outcome: "succeeded", startedAt: at, endedAt: at + 500 },
      0,
    );
  for (let i = 0; i < STORED; i += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, STORED - i) }, (_, n) => start + (i + n) * 1000);
    await Promise.all(some.map((at) => ended(crypto.randomUUID(), at)));
  }
  await ended(LOG_RUN, start - 1000);
  const headers = { [HEADERS.lines]: String(BATCH), [HEADERS.step]: "a", [HEADERS.attempt]: "1" };
  const batchOf = (runid: string) => `${lineOf(runid)}\n`.repeat(BATCH);
  const lineOf = (runid: string) =>
    JSON.stringify({
      runid,
      driver: "nobody",
      timestamp: new Date(start).toISOString(),
      message: "x".repeat(79),
      step: "a",
      stream: "stdout",
    });
  const add = async (run: string, lines: number) => {
    const data = batchOf(run);
    for (let i = 0; i < lines; i += LOGGED_LINES) {
      const batches = Array.from(
        { length: Math.min(lines, LOGGED_LINES) / BATCH },
        () => ({ data, headers }),
      );
      await transport.publishAll(`logs.${run}`, batches);
    }
  };
  const others = Array.from({ length: LOGGED_RUNS }, () => crypto.randomUUID());
  for (const [i, run] of others.entries()) {
    await ended(run, start - 2000 - i);
    await add(run, LOGGED_LINES);
    if (i === LOGGED_RUNS / 2) await add(LOG_RUN, LINES);
  }
  return others[LOGGED_RUNS / 2] ?? "";
}

function startFigure(ms: number, bytes: number): Figure {
  return {
    what: `up, from its start to /readyz, with ${STORED} stored runs`,
    ours: `${formatMs(ms)}, then ${Math.round(bytes / 1024 ** 2)} MiB resident`,
    target: "≤ 300 ms, ≤ 80 MiB",
    isMet: ms <= 300 && bytes <= 80 * 1024 ** 2,
    numbers: { ms: rounded(ms), bytes },
  };
}

async function pages(url: string, headers: Record<string, string>): Promise<Figure> {
  const times: number[] = [];
  for (let i = 0; i < PAGES; i++) {
    const begun = performance.now();
    await (await fetch(`${url}/runs?limit=50`, { headers })).arrayBuffer();
    times.push(performance.now() - begun);
  }
  const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
  return {
    what: `GET /runs?limit=50 with ${STORED} stored runs, ${PAGES} times`,
    ours: `p50 ${formatMs(p50)}, p99 ${formatMs(p99)}`,
    target: "p99 ≤ 10 ms",
    isMet: p99 <= 10,
    numbers: { p50Ms: rounded(p50), p99Ms: rounded(p99) },
  };
}

async function logFigure(url: string, headers: Record<string, string>): Promise<Figure> {
  const before = await residentBytes(url, headers);
  let peak = before;
  const begun = performance.now();
  const answer = await fetch(`${url}/runs/${LOG_RUN}/logs`, { headers });
  let lines = 0;
  for await (const chunk of answer.body ?? []) {
    for (const byte of chunk) if (byte === 10) lines++;
  }
  const seconds = (performance.now() - begun) / 1000;
  peak = Math.max(peak, await residentBytes(url, headers));
  // A cursor behind each batch, and the end.
  const expected = LINES + LINES / BATCH + 1;
  if (lines !== expected) throw new Error(`The log has ${lines} lines: expected ${expected}`);
  const [rate, more] = [LINES / seconds, peak - before];
  return {
    what: `a stored log of ${LINES} lines to one reader`,
    ours: `${Math.round(rate)} lines/s, ${Math.round(more / 1024 ** 2)} MiB more resident afterwards`,
    target: "≥ 200,000 lines/s, ≤ 50 MiB more",
    isMet: rate >= 200_000 && more <= 50 * 1024 ** 2,
    numbers: { linesPerSecond: rounded(rate), moreBytes: more },
  };
}

async function runLogFigure(url: string, headers: Record<string, string>, run: string): Promise<Figure> {
  const times: number[] = [];
  for (let i = 0; i < READS; i++) {
    const begun = performance.now();
    const text = await (await fetch(`${url}/runs/${run}/logs?format=text`, { headers })).text();
    times.push(performance.now() - begun);
    const lines = text.split("\n").length - 1;
    if (lines !== LOGGED_LINES) throw new Error(`The log has ${lines} lines: expected ${LOGGED_LINES}`);
  }
  const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
  return {
    what: `${LOGGED_LINES} lines of a run, of ${LINES + LOGGED_RUNS * LOGGED_LINES} stored ones`,
    ours: `p50 ${formatMs(p50)}, p99 ${formatMs(p99)}`,
    target: "p50 ≤ 30 ms",
    isMet: p50 <= 30,
    numbers: { p50Ms: rounded(p50), p99Ms: rounded(p99) },
  };
}

/** Creates resources: first at a fixed rate, then as fast as the connections allow. */
async function posts(url: string, headers: Record<string, string>): Promise<Figure[]> {
  const send = async (path: string, value: unknown) => {
    const body = JSON.stringify(value);
    const answer = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json" },
      body,
    });
    const text = await answer.text();
    if (answer.status !== 201) throw new Error(`POST ${path} answers ${answer.status} ${text}`);
  };
  const schema = { type: "object", required: ["repository"], properties: { repository: { type: "string" } } };
  await send("/resource-definitions", { name: PIPELINE.resource, schema });
  await send("/pipelines", PIPELINE);
  const { spec } = RESOURCE;
  let made = 0;
  const create = async () => {
    const at = performance.now();
    const name = `app-${++made}`;
    await send("/resources", { name, resource: PIPELINE.resource, pipeline: PIPELINE.name, spec });
    return performance.now() - at;
  };
  for (let i = 0; i < WARM_UP; i++) await create();
  const paced: Promise<number>[] = [];
  const start = performance.now();
  for (let i = 0; i < PACED; i++) {
    await Bun.sleep(Math.max(0, start + i * 1000 / PER_SECOND - performance.now()));
    paced.push(create());
  }
  const times = await Promise.all(paced);
  const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
  const begun = performance.now();
  const until = made + POSTS;
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    while (made < until) await create();
  }));
  const rate = POSTS / ((performance.now() - begun) / 1000);
  await noneLost(url, headers, made);
  return [
    {
      what: `POST /resources with a pipeline, ${PER_SECOND}/s, ${PACED} in all`,
      ours: `p50 ${formatMs(p50)}, p99 ${formatMs(p99)}`,
      target: "p99 ≤ 10 ms",
      isMet: p99 <= 10,
      numbers: { p50Ms: rounded(p50), p99Ms: rounded(p99) },
    },
    {
      what: `POST /resources with a pipeline, ${CONNECTIONS} connections, ${POSTS} in all`,
      ours: `${Math.round(rate)}/s, each with its run`,
      target: "≥ 2,000/s, none lost",
      isMet: rate >= 2000,
      numbers: { perSecond: rounded(rate) },
    },
  ];
}

/** Throws unless there are `expected` resources, each with an open run. */
async function noneLost(url: string, headers: Record<string, string>, expected: number): Promise<void> {
  let resources = 0;
  for (let path: string | undefined = `/resources/${PIPELINE.resource}`; path !== undefined;) {
    const answer: Response = await fetch(url + path, { headers });
    resources += (await answer.json() as unknown[]).length;
    path = /^<([^>]+)>/.exec(answer.headers.get("link") ?? "")?.[1];
  }
  let runs = 0;
  for (let cursor: string | undefined = ""; cursor !== undefined;) {
    const query: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const answer = await fetch(`${url}/runs?status=open&limit=200${query}`, { headers });
    const page = await answer.json() as { runs: unknown[]; next?: string };
    runs += page.runs.length;
    cursor = page.next;
  }
  if (resources === expected && runs === expected) return;
  throw new Error(`There are ${resources} resources and ${runs} open runs: expected ${expected} of each`);
}

async function residentBytes(url: string, headers: Record<string, string>): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { headers })).text();
  return Number(/^process_resident_memory_bytes (\d+)$/m.exec(text)?.[1]);
}
