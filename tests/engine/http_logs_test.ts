import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogLine } from "../../lib/engine/core/events.ts";
import { publishBatch } from "../backend/store-conformance/opened.ts";
import { within } from "../backend/transport-conformance/opened.ts";
import { openApi, RESOURCE } from "./support/api.ts";
import { RUN } from "./support/runs.ts";
import { scriptedDriver } from "./support/scripted-driver.ts";
import { endOf, openWorld, type World } from "./support/world.ts";

type Line = LogLine | { type: "cursor"; cursor: string } | { type: "end"; outcome: string; lines: number };

/** A run with batches of 3, 2 and 1 lines, the second one of step b, that is open until `finish`. */
async function stage(world: World) {
  // Time stands still, so that the engine adds no line about what a step waits for.
  const { ask, engine } = await openApi(world, { heartbeatMs: 5 }, { monotonic: () => 0 });
  await ask("POST", "/runs", { body: { run: RUN, resource: RESOURCE } });
  await publishBatch(world.transport, ["one", "two", "three"], { run: RUN, step: "a" });
  await publishBatch(world.transport, ["four", "five"], { run: RUN, step: "b" });
  await publishBatch(world.transport, ["six"], { run: RUN, step: "a" });
  const finish = async () => {
    await using _a = await scriptedDriver(world.transport, "a", () => ({ success: true, message: "" }));
    await using _b = await scriptedDriver(world.transport, "b", () => ({ success: true, message: "" }));
    await endOf(engine, RUN);
  };
  const read = async (query: string) => {
    const { status, text } = await ask("GET", `/runs/${RUN}/logs${query}`);
    assert.equal(status, 200, query);
    return (await text()).split("\n").filter((line) => line !== "").map((line): Line => JSON.parse(line));
  };
  return { ask, finish, read };
}

const messages = (lines: readonly Line[]) =>
  lines.flatMap((line) => line.type === "log" ? [`${line.seq} ${line.message}`] : []);
const ALL = ["1 one", "2 two", "3 three", "4 four", "5 five", "6 six"];

test("GET /runs/<id>/logs gives the lines stored by now, and the end of a run that has ended", async () => {
  await using world = await openWorld();
  const { read, finish } = await stage(world);
  const open = await read("");
  assert.deepEqual(messages(open), ALL);
  assert.deepEqual(open.map(({ type }) => type).filter((type) => type === "end"), []);
  assert.deepEqual(messages(await read("?step=a")), ["1 one", "2 two", "3 three", "6 six"]);
  await finish();
  const last = (await read("?step=b")).at(-1);
  assert.deepEqual(last?.type === "end" && [last.outcome, last.lines], ["succeeded", 6]);
});

test("GET /runs/<id>/logs goes on from every cursor with the next line, whatever the limit was", async () => {
  await using world = await openWorld();
  const { read, finish } = await stage(world);
  await finish();
  for (const limit of [1, 2, 3, 4, 5, 6, 7]) {
    const seen: string[] = [];
    for (let cursor = "";;) {
      const page = await read(`?limit=${limit}${cursor && `&cursor=${cursor}`}`);
      const lines = messages(page);
      seen.push(...lines);
      assert.ok(lines.length <= limit);
      const last = page.at(-1);
      if (last?.type === "end") break;
      assert.equal(last?.type, "cursor");
      cursor = last?.type === "cursor" ? last.cursor : "";
    }
    assert.deepEqual(seen, ALL, `limit ${limit}`);
  }
});

test("GET /runs/<id>/logs as plain text has the messages, and nothing in them is a page", async () => {
  await using world = await openWorld();
  const { ask } = await stage(world);
  const { text, response } = await ask("GET", `/runs/${RUN}/logs`, { headers: { accept: "text/plain" } });
  assert.equal(await text(), "one\ntwo\nthree\nfour\nfive\nsix\n");
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
});

test("GET /runs/<id>/logs refuses what is no cursor and no run", async () => {
  await using world = await openWorld();
  const { ask } = await stage(world);
  for (const cursor of ["x", "~", "1", "..~1", "1~x", "-1~2"]) {
    const { status, json } = await ask("GET", `/runs/${RUN}/logs?cursor=${encodeURIComponent(cursor)}`);
    assert.equal(status, 400, cursor);
    assert.match(String((await json()).error), /Invalid cursor/);
  }
  assert.equal((await ask("GET", `/runs/${RUN}/logs?limit=0`)).status, 400);
  assert.equal((await ask("GET", "/runs/99999999-2222-4333-8444-555555555555/logs")).status, 404);
});

/** Reads frames of server-sent events until `isEnough`. */
async function frames(
  response: Response,
  isEnough: (frames: Record<string, string>[]) => boolean,
): Promise<{ frames: Record<string, string>[]; isOver: boolean; beats: number }> {
  const found: Record<string, string>[] = [];
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let beats = 0;
  while (!isEnough(found)) {
    const { done, value = "" } = await within(reader?.read() ?? Promise.reject(), "an event");
    if (done) return { frames: found, isOver: true, beats };
    const parts = `${text}${value}`.split("\n\n");
    text = parts.pop() ?? "";
    for (const part of parts) {
      if (part.startsWith(":")) beats++;
      else found.push(Object.fromEntries(part.split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2))));
    }
  }
  await reader?.cancel();
  return { frames: found, isOver: false, beats };
}

test("server-sent events tell a log live, go on after the last one that was seen, and end with the run", async () => {
  await using world = await openWorld();
  const { ask, finish } = await stage(world);
  const connect = async (last: string) => {
    const headers = { accept: "text/event-stream", ...last && { "last-event-id": last } };
    return (await ask("GET", `/runs/${RUN}/logs`, { headers })).response;
  };
  const seen: string[] = [];
  const note = (found: Record<string, string>[]) => {
    for (const { event, data = "" } of found) {
      if (event === "log") seen.push((({ seq, message }) => `${seq} ${message}`)(JSON.parse(data)));
    }
    return found.at(-1)?.id ?? "";
  };
  // Cut off after each line of the first five.
  let last = "";
  for (let i = 0; i < 5; i++) {
    const response = await connect(last);
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
    const first = await frames(response, (found) => found.length > 0);
    last = note(first.frames.slice(0, 1));
  }
  assert.deepEqual(seen, ALL.slice(0, 5));
  const live = await connect(last);
  const rest = frames(live, () => false);
  await publishBatch(world.transport, ["seven", "eight"], { run: RUN, step: "a" });
  await finish();
  const { frames: found, isOver } = await rest;
  note(found);
  assert.deepEqual(seen, [...ALL, "7 seven", "8 eight"]);
  assert.ok(isOver);
  assert.equal(found.at(-1)?.event, "end");
  assert.deepEqual(JSON.parse(found.at(-1)?.data ?? ""), {
    type: "end",
    run: RUN,
    outcome: "succeeded",
    message: "Run succeeded",
    lines: 8,
  });
});

test("server-sent events give signs of life while there is nothing to tell", async () => {
  await using world = await openWorld();
  const { ask } = await stage(world);
  const { response } = await ask("GET", `/runs/${RUN}/logs?format=events`);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.endsWith(": heartbeat\n\n: heartbeat\n\n")) {
    text += (await within(reader?.read() ?? Promise.reject(), "a sign of life")).value ?? "";
  }
  await reader?.cancel();
});

test("Conveyor's log routes give its lines and frames, in order, stored and live", async () => {
  await using world = await openWorld();
  const { ask, finish } = await stage(world);
  const read = async (query: string) => {
    const answer = await ask("GET", `/logs?${query}`);
    return { status: answer.status, lines: await answer.json() as unknown as { message: string }[] };
  };
  const { lines } = await read(`runid=${RUN}`);
  assert.deepEqual(lines.map(({ message }) => message), ["one", "two", "three", "four", "five", "six"]);
  assert.deepEqual(Object.keys(lines[0] ?? {}), ["runid", "driver", "pipeline", "timestamp", "message"]);
  assert.deepEqual((await read(`runid=${RUN}&driver=b&pipeline=line`)).lines.map(({ message }) => message), [
    "four",
    "five",
  ]);
  for (const none of ["runid=none", `runid=${RUN}&pipeline=other`, `runid=${RUN}&driver=nobody`]) {
    assert.deepEqual((await read(none)).lines, [], none);
  }
  assert.equal((await read("driver=b")).status, 400);

  const follow = async (path: string, count: number) => {
    const { response, status } = await ask("GET", path);
    assert.deepEqual([status, response.headers.get("content-type")], [200, "text/event-stream"]);
    const told = await frames(response, (found) => found.length >= count);
    return told.frames.map((frame) => {
      assert.deepEqual(Object.keys(frame), ["data"]);
      const { runid, driver, message } = JSON.parse(frame.data ?? "");
      assert.equal(runid, RUN);
      return `${driver} ${message}`;
    });
  };
  const all = follow(`/logs/pipeline/${RUN}`, 7);
  const one = follow(`/logs/streams/b/${RUN}`, 3);
  await publishBatch(world.transport, ["seven"], { run: RUN, step: "b" });
  await finish();
  assert.deepEqual(await all, ["a one", "a two", "a three", "b four", "b five", "a six", "b seven"]);
  assert.deepEqual(await one, ["b four", "b five", "b seven"]);
  assert.equal((await ask("GET", "/logs/pipeline/99999999-2222-4333-8444-555555555555")).status, 404);
});

test("a log that was removed for its age says so in each form; a whole one, and a young silent one, do not", async () => {
  await using world = await openWorld();
  const clock = { now: Date.now() };
  const { ask, engine } = await openApi(world, { clock: () => clock.now, keepLogsMs: 3_600_000 });
  await using _a = await scriptedDriver(world.transport, "a", async ({ log, run }) => {
    if (run !== RUN) await log("a line");
    return { success: true, message: "" };
  });
  await using _b = await scriptedDriver(world.transport, "b", () => ({ success: true, message: "" }));
  const other = "22222222-2222-4333-8444-555555555555";
  for (const run of [RUN, other]) {
    await ask("POST", "/runs", { body: { run, resource: RESOURCE } });
    await endOf(engine, run);
  }
  const read = async (run: string, format: string) =>
    await (await ask("GET", `/runs/${run}/logs?format=${format}`)).text();
  assert.doesNotMatch(await read(RUN, "json"), /"cut"/);
  clock.now += 3_700_000;
  const message = "The log was removed: logs are kept for 1h 00m";
  const [cut, end] = (await read(RUN, "json")).split("\n").filter((line) => line !== "").map((line) =>
    JSON.parse(line)
  );
  assert.deepEqual(cut, { type: "cut", run: RUN, reason: "retention", message });
  assert.equal(end.type, "end");
  assert.equal(await read(RUN, "text"), `[${message}]\n`);
  assert.match(await read(RUN, "events"), /^event: cut\ndata: \{"type":"cut".*\}\n\nid: .*\nevent: end\n/);
  for (const format of ["json", "text", "events"]) assert.doesNotMatch(await read(other, format), /removed/);
});

test("POST /logs stores a text of many lines in few batches, each line in its place", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world, {}, { monotonic: () => 0 });
  await ask("POST", "/runs", { body: { run: RUN, resource: RESOURCE } });
  const lines = Array.from({ length: 5000 }, (_, i) => i % 3 === 0 ? "" : `line ${i}`);
  const message = `${lines.join("\r\n")}\n`;
  const { status } = await ask("POST", "/logs", {
    body: { runid: RUN, driver: "a", message },
    headers: { "content-type": "application/json" },
  });
  assert.equal(status, 201);
  const batches = await Array.fromAsync(world.store.logs.read(RUN));
  assert.deepEqual(batches.flatMap((batch) => batch.lines.map((line) => line.message)), lines);
  assert.ok(batches.length > 1 && batches.length < 30, `${batches.length} batches`);
});

test("POST /logs refuses a text of too many lines, each of which would be stored by itself", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world, {}, { monotonic: () => 0 });
  await ask("POST", "/runs", { body: { run: RUN, resource: RESOURCE } });
  const post = (message: string) =>
    ask("POST", "/logs", {
      body: { runid: RUN, driver: "a", message },
      headers: { "content-type": "application/json" },
    });
  const refused = await post("\n".repeat(10_001));
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /message: expected 10000 lines at most/);
  assert.deepEqual(await Array.fromAsync(world.store.logs.read(RUN)), []);
  assert.equal((await post("\n".repeat(10_000))).status, 201);
});
