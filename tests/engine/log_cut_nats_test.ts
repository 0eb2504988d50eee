import assert from "node:assert/strict";
import { jetstreamManager } from "@nats-io/jetstream";
import { connectNats } from "../../lib/backend/nats/connection.ts";
import { formatDuration } from "../../lib/base/units.ts";
import type { Context } from "../../lib/driver/driver.ts";
import { httpApi } from "../../lib/engine/http/api.ts";
import { listen } from "../../lib/engine/http/listen.ts";
import { flutterCi } from "../cli/start-program.ts";
import { needing } from "../support/needs.ts";
import { openNatsPlane } from "../support/nats-plane.ts";
import { until } from "../support/until.ts";
import { TOKEN } from "./support/api.ts";
import { OK } from "./support/drive.ts";
import { RUN, submission } from "./support/runs.ts";
import { endOf } from "./support/world.ts";
import { within } from "../support/within.ts";

const { test } = needing("broker");

const HOUR = 3_600_000;

/** Steps that write what they are told to, and a way to let the broker remove all that is stored. */
async function openLogs({ keepLogsMs = HOUR } = {}) {
  await using opening = new AsyncDisposableStack();
  const plane = opening.use(await openNatsPlane());
  const { engine, store } = plane;
  const connection = opening.adopt(await connectNats({ servers: [plane.server.url] }), (one) => one.close());
  const manager = await jetstreamManager(connection);
  const clock = { now: Date.now() };
  const fetch = httpApi({
    engine,
    store,
    token: TOKEN,
    isOurHost: () => true,
    resourceTypes: [],
    broadcast: () => Promise.resolve(),
    draining: new AbortController().signal,
    keepLogsMs,
    clock: () => clock.now,
  });
  const parts = opening.move();
  return {
    plane,
    clock,
    fetch,
    manager,
    /** Writes each line as a batch of its own. */
    async write(log: Context["log"], ...texts: string[]) {
      for (const text of texts) {
        const { last_seq } = (await manager.streams.info("logs-engine")).state;
        await log.line(text);
        await until(async () => (await manager.streams.info("logs-engine")).state.last_seq > last_seq, text);
      }
    },
    /** Everything that is stored goes, for its age. */
    async expire() {
      const { config } = await manager.streams.info("logs-engine");
      const soon = { max_age: 1e8, duplicate_window: 1e8 };
      await manager.streams.update("logs-engine", { ...config, ...soon });
      await until(
        async () => (await manager.streams.info("logs-engine")).state.messages === 0,
        "the log is removed",
      );
      await manager.streams.update("logs-engine", config);
    },
    async read(format: string, query = ""): Promise<string> {
      const url = `http://127.0.0.1/runs/${RUN}/logs?format=${format}${query}`;
      const answer = await fetch(
        new Request(url, { headers: { host: "127.0.0.1", authorization: `Bearer ${TOKEN}` } }),
      );
      return await answer.text();
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

const eventsIn = (text: string) =>
  text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line)).filter(({ type }) =>
    type !== "cursor"
  );

test("nats: a log that has lost its first lines says so where they were, in each form", async () => {
  await using logs = await openLogs({ keepLogsMs: 1 });
  const { plane, read } = logs;
  const written = Promise.withResolvers<void>();
  const removed = Promise.withResolvers<void>();
  await plane.driver("a", async ({ log }) => {
    await logs.write(log, "one", "two");
    written.resolve();
    await removed.promise;
    await log.line("three");
    return OK;
  });
  await plane.driver("b", async ({ log }) => {
    await log.line("four");
    return OK;
  });
  await plane.engine.submit({ ...submission("a b"), run: RUN });
  await within(written.promise, "the lines of step a");
  await logs.expire();
  removed.resolve();
  await endOf(plane.engine, RUN);
  logs.clock.now = Date.now();
  const [cut, ...rest] = eventsIn(await read("json"));
  assert.deepEqual(cut, {
    type: "cut",
    run: RUN,
    reason: "retention",
    step: "a",
    lines: 2,
    message: `2 lines of step "a" are not there any more: logs are kept for ${formatDuration(1)}`,
  });
  assert.deepEqual(rest.map(({ type, message }) => type === "log" ? message : type), [
    "three",
    "four",
    "end",
  ]);
  assert.equal(await read("text"), `[${cut.message}]\nthree\nfour\n`);
  assert.equal(await read("text", "&step=b"), "four\n");
  assert.match(
    await read("events"),
    /^event: cut\ndata: \{"type":"cut",.*"lines":2.*\}\n\nid: .*\nevent: log\n/,
  );
  await using listening = await listen(logs.fetch, { host: "127.0.0.1", port: 0 });
  const env = { CONVEYOR_TOKEN: TOKEN };
  const command = ["logs", RUN, "--api", listening.url, "--data", plane.folder];
  const shown = await flutterCi(command, { env });
  assert.deepEqual([shown.stdout, shown.stderr], ["three\nfour\n", `[${cut.message}]\n`]);
  const json = await flutterCi([...command, "--json"], { env });
  assert.deepEqual(eventsIn(json.stdout)[0], cut);
  // Who goes on from a cursor has had what is before it.
  const { cursor } = JSON.parse(
    (await read("json")).split("\n").find((line) => line.includes('"cursor"')) ?? "",
  );
  assert.doesNotMatch(await read("json", `&cursor=${encodeURIComponent(cursor)}`), /"cut"/);
});

test("nats: a log that has lost whole steps, its middle, or all of it to make room says so", async () => {
  await using logs = await openLogs();
  const { plane, read, clock, manager } = logs;
  for (const driver of ["a", "b"]) {
    await plane.driver(driver, async ({ log }) => {
      await logs.write(log, `${driver} one`, `${driver} two`, `${driver} three`);
      return OK;
    });
  }
  await plane.engine.submit({ ...submission("a b"), run: RUN });
  await endOf(plane.engine, RUN);
  assert.doesNotMatch(await read("json"), /"cut"/);

  // A line in the middle of step b: as whoever may administer the broker can.
  const { state } = await manager.streams.info("logs-engine");
  const secondOfB = state.last_seq - 1;
  await manager.streams.deleteMessage("logs-engine", secondOfB);
  const told = () => read("text");
  const missing = '[1 line of step "b" is missing here: the log\'s store has lost or removed them]';
  assert.equal(await told(), `a one\na two\na three\nb one\n${missing}\nb three\n`);

  await manager.streams.purge("logs-engine", { seq: state.first_seq + 3 });
  assert.match(await told(), /^b one\n/, "the steps before it may have written nothing");
  clock.now += 2 * HOUR;
  assert.match(
    await told(),
    /^\[What steps wrote before "b" was removed: logs are kept for 1h 00m\]\nb one\n/,
  );

  // The limit comes down to what is stored, and all of it is in the way.
  clock.now -= 2 * HOUR;
  const { config, state: { bytes } } = await manager.streams.info("logs-engine");
  await manager.streams.update("logs-engine", { ...config, max_bytes: bytes + 10 });
  assert.equal(await plane.store.makeRoom({ signal: new AbortController().signal }), 1);
  assert.equal(await told(), "[The log was removed to make room for others]\n");
  assert.match(await read("json"), /^\{"type":"cut",.*"reason":"room"/);
  await plane.store.removeRun(RUN);
  assert.equal(await plane.store.logs.isRemoved?.(RUN), false, "nothing is left of the run");
});
