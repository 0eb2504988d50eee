import { connect } from "node:net";
import { join } from "node:path";
import type { Bench, Figure } from "./bench.ts";
import { formatMs, quantile, rounded } from "./numbers.ts";
import { startPlane } from "./plane.ts";

const READERS = 500;
const PER_SECOND = 1000;
/** Lines in a batch: a driver sends together what it logs within 50 ms. */
const BATCH = 50;
const SECONDS = 20;
const LINES = PER_SECOND * SECONDS;
const MOST_DELAY_MS = 250;

/** Readers of one run's log while it is written, each over a connection of its own. */
export const followers: Bench = {
  name: "followers",
  group: "plane",
  async measure({ folder, program, say }) {
    await using plane = await startPlane({ program, data: join(folder, "data") });
    const run = await plane.submit();
    say(`${READERS} readers, ${PER_SECOND} lines/s for ${SECONDS} s`);
    const delays: number[] = [];
    const readers = Array.from({ length: READERS }, () => openReader(plane, run, delays));
    await Promise.all(readers.map(({ begun }) => begun));
    const reading = Promise.all(readers.map(({ ended }) => ended));
    await Promise.race([reading, write(plane, run)]);
    await reading;
    const [p50, p99] = [quantile(delays, 0.5), quantile(delays, 0.99)];
    const figure: Figure = {
      what: `${READERS} SSE readers of one live run, ${PER_SECOND} lines/s, ${LINES} lines each`,
      ours: `none lost or doubled, delay p50 ${formatMs(p50)}, p99 ${formatMs(p99)}`,
      target: `p99 ≤ ${MOST_DELAY_MS} ms`,
      isMet: p99 <= MOST_DELAY_MS,
      numbers: { p50Ms: rounded(p50), p99Ms: rounded(p99) },
    };
    return [figure];
  },
};

type Plane = Awaited<ReturnType<typeof startPlane>>;

/** Writes all lines at a fixed rate. Each line contains the time when it was sent. */
async function write({ url, headers, driver }: Plane, runid: string): Promise<void> {
  const start = performance.now();
  const sent: Promise<void>[] = [];
  for (let i = 0; i < LINES; i += BATCH) {
    await Bun.sleep(Math.max(0, start + i * 1000 / PER_SECOND - performance.now()));
    const message = `${Math.round(performance.now())}\n`.repeat(BATCH);
    sent.push(post(`${url}/logs`, headers, { runid, driver, message }));
    // To keep the order, the next batch is sent once this one is stored.
    await sent.at(-1);
  }
}

async function post(url: string, headers: Record<string, string>, value: unknown): Promise<void> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(value),
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`POST ${url} answers ${answer.status} ${text}`);
}

const SEQ = new TextEncoder().encode('"seq":');
const MESSAGE = new TextEncoder().encode('"message":"');

/**
 * Reads all lines over a socket of its own (Bun's `fetch` has 256 at most), checks that each comes once and
 * in order, and notes the delay of each batch's last line. Chunks end where frames do, so their headers are
 * not in the way.
 */
function openReader({ url, headers }: Plane, run: string, delays: number[]) {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(begun.reject);
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  const lines = [`GET /runs/${run}/logs HTTP/1.1`, `Host: ${host}`, "Accept: text/event-stream"];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  const fail = (why: string) => {
    ended.reject(new Error(why));
    socket.destroy();
  };
  let rest: Buffer = Buffer.alloc(0);
  let next = 1;
  const take = (bytes: Buffer): void => {
    let at = 0;
    for (;;) {
      const found = bytes.indexOf(SEQ, at);
      const end = found < 0 ? -1 : bytes.indexOf("\n\n", found);
      if (end < 0) break;
      const seq = numberAt(bytes, found + SEQ.length);
      // The engine logs why no driver takes the step; that line has no time.
      const time = numberAt(bytes, bytes.indexOf(MESSAGE, found) + MESSAGE.length);
      if (seq !== next) return fail(`A reader got line ${seq}: expected ${next}`);
      next++;
      if (time > 0 && seq % BATCH === 0) delays.push(performance.now() - time);
      at = end;
    }
    rest = bytes.subarray(at);
    if (next <= LINES) return;
    ended.resolve();
    socket.destroy();
  };
  socket.once("data", (bytes) => {
    if (bytes.toString("latin1").startsWith("HTTP/1.1 200 ")) begun.resolve();
    else fail(`A reader gets ${bytes.toString("latin1").split("\r\n")[0]}`);
  });
  socket.on("data", (bytes: Buffer) => take(rest.length === 0 ? bytes : Buffer.concat([rest, bytes])));
  socket.on("error", (error) => fail(`A reader lost its connection: ${error.message}`));
  socket.on("close", () => fail(`A reader got ${next - 1} lines: expected ${LINES}`));
  return { begun: begun.promise, ended: ended.promise };
}

function numberAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at;; i++) {
    const digit = (bytes[i] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return value;
    value = value * 10 + digit;
  }
}

/** The character code of "0". */
const ZERO = 48;
