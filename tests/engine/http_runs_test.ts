import assert from "node:assert/strict";
import { test } from "node:test";
import { extract } from "tar-stream";
import type { RunSummary, RunView } from "../../lib/engine/core/run-view.ts";
import type { Run } from "../../lib/wire/run.ts";
import { bytes } from "../backend/transport-conformance/opened.ts";
import { openApi, RESOURCE, TOKEN } from "./support/api.ts";
import { RUN, runOf, TYPE } from "./support/runs.ts";
import { scriptedDriver } from "./support/scripted-driver.ts";
import { endOf, openWorld, type World } from "./support/world.ts";

const OTHER = "99999999-2222-4333-8444-555555555555";
const START = Date.parse("2026-01-01T00:00:00.000Z");
const idOf = (i: number) => `${String(i).padStart(8, "0")}-2222-4333-8444-555555555555`;

/** Stores runs as they are given, a second after each other. */
async function store(world: World, facts: Partial<Run>[]): Promise<void> {
  for (const [i, fact] of facts.entries()) {
    const id = idOf(i);
    await world.store.runs.put(id, { ...runOf("a b!"), id, createdAt: START + i * 1000, ...fact }, 0);
  }
}

test("GET /runs lists runs newest first, page by page, and by what is asked for", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  const verdict = { outcome: "failed", reason: "driver-lost", message: "Gone" } as const;
  await store(world, [
    { outcome: "succeeded", startedAt: START, endedAt: START + 1500 },
    { outcome: "failed", verdict, endedAt: START + 2000 },
    { startedAt: START + 2000 },
    {},
    { verdict },
    { resource: { id: "r", name: "other", resource: TYPE, spec: {}, metadata: { version: "3" } } },
  ]);
  const list = async (query: string) => {
    const { status, json } = await ask("GET", `/runs${query}`);
    assert.equal(status, 200, query);
    return await json() as { runs: RunSummary[]; next?: string };
  };
  const shown = ({ runs }: { runs: RunSummary[] }) => runs.map(({ id }) => Number(id.slice(0, 8))).join("");
  assert.equal(shown(await list("")), "543210");
  for (
    const [query, expected] of [
      ["status=succeeded", "0"],
      ["status=open", "5432"],
      ["status=queued", "53"],
      ["status=running", "2"],
      ["status=stopping", "4"],
      ["reason=driver-lost", "1"],
      ["resource=other", "5"],
      [`type=${TYPE}&pipeline=line&status=failed`, "1"],
      ["pipeline=none", ""],
      ["since=2026-01-01T00:00:01Z&until=2026-01-01T00:00:03Z", "21"],
      ["id=0000000", "012345"],
      ["id=00000003-2222", "3"],
      ["id=f", ""],
    ] as const
  ) assert.equal(shown(await list(`?${query}`)), expected, query);

  const pages: string[] = [];
  for (let next: string | undefined = ""; next !== undefined;) {
    const page = await list(`?limit=2&status=open${next === "" ? "" : `&cursor=${next}`}`);
    pages.push(shown(page));
    next = page.next;
  }
  assert.deepEqual(pages, ["54", "32"]);
  assert.equal((await list("?limit=6")).next, undefined);

  const { runs: [newest, , , , , oldest] } = await list("");
  assert.deepEqual(newest, {
    id: idOf(5),
    status: "queued",
    operation: "create",
    resource: { name: "other", type: TYPE, version: "3" },
    pipeline: "line",
    createdAt: "2026-01-01T00:00:05.000Z",
  });
  assert.equal(oldest?.seconds, 1.5);
});

test("GET /runs refuses what it does not know, and says what it expects", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  for (
    const [query, expected] of [
      ["stauts=failed", /Unknown parameter "stauts": expected some of status, /],
      ["status=fine", /query\.status: .*"queued".*got "fine"/],
      ["limit=0", /query\.limit: /],
      ["limit=many", /query\.limit: /],
      ["since=yesterday", /query\.since: /],
      ["cursor=x", /Invalid cursor "x"/],
      ["id=..", /query\.id: /],
    ] as const
  ) {
    const { status, json } = await ask("GET", `/runs?${query}`);
    const { error, code } = await json();
    assert.deepEqual([status, code], [400, "invalid-request"], query);
    assert.match(String(error), expected);
  }
});

test("GET /runs/<id> tells of a run's steps, and why the open one waits", async () => {
  await using world = await openWorld();
  const { ask, engine } = await openApi(world);
  const read = async (run = RUN) => await (await ask("GET", `/runs/${run}`)).json() as unknown as RunView;
  {
    // Its consumer stays, and nobody takes events.
    await using _a = await scriptedDriver(world.transport, "a", () => ({ success: true, message: "" }));
  }
  assert.equal((await ask("POST", "/runs", { body: { run: RUN, resource: RESOURCE } })).status, 201);
  const waiting = await read();
  assert.deepEqual([waiting.status, waiting.step, waiting.steps.map(({ status }) => status)], [
    "queued",
    "a",
    ["dispatched", "pending"],
  ]);
  assert.equal(waiting.waiting, 'Waiting for driver "a": no instance takes events');
  await using _a = await scriptedDriver(world.transport, "a", () => ({
    success: false,
    message: "No",
    data: { reason: "command-failed" },
  }));
  await using _b = await scriptedDriver(world.transport, "b", () => ({ success: true, message: "Done" }));
  await endOf(engine, RUN);
  const ended = await read();
  assert.deepEqual([ended.status, ended.reason, ended.waiting, ended.spec], [
    "failed",
    "command-failed",
    undefined,
    { size: 1 },
  ]);
  assert.deepEqual(
    ended.steps.map((
      { id, driver, status, attempts, always, result },
    ) => [id, driver, status, attempts, always, result?.message]),
    [["a", "a", "failed", 1, false, "No"], ["b", "b", "succeeded", 1, true, "Done"]],
  );
  for (const { startedAt = "", endedAt = "", seconds = -1 } of [ended, ...ended.steps]) {
    assert.ok(startedAt <= endedAt && seconds >= 0, `${startedAt} ${endedAt} ${seconds}`);
  }
  assert.equal((await ask("GET", `/runs/${OTHER}`)).status, 404);
});

test("POST /runs/<id>/retry starts a new run of the same resource, which names the first", async () => {
  await using world = await openWorld();
  const { ask, engine } = await openApi(world);
  const seen: unknown[] = [];
  await using _a = await scriptedDriver(world.transport, "a", ({ resource, secrets }) => {
    seen.push([resource.id, resource.spec, secrets]);
    return { success: seen.length > 1, message: "" };
  });
  await using _b = await scriptedDriver(world.transport, "b", () => ({ success: true, message: "" }));
  const resource = { ...RESOURCE, id: "r-7" };
  const body = { run: RUN, resource, timeout: "90s", secrets: { KEY: "s3cret" } };
  assert.equal((await ask("POST", "/runs", { body })).status, 201);
  assert.equal((await endOf(engine, RUN)).outcome, "failed");
  const retried = await ask("POST", `/runs/${RUN}/retry`, { body: { secrets: { KEY: "an0ther" } } });
  assert.equal(retried.status, 201);
  const { run } = await retried.json() as { run: string };
  assert.equal(retried.response.headers.get("location"), `/runs/${run}`);
  assert.equal((await endOf(engine, run)).outcome, "succeeded");
  assert.deepEqual(seen, [["r-7", { size: 1 }, { KEY: "s3cret" }], ["r-7", { size: 1 }, { KEY: "an0ther" }]]);
  const view = await (await ask("GET", `/runs/${run}`)).json() as unknown as RunView;
  assert.deepEqual([view.retryOf, view.timeoutSeconds], [RUN, 90]);
  assert.equal((await ask("POST", `/runs/${OTHER}/retry`)).status, 404);
  assert.equal((await ask("POST", `/runs/${RUN}/retry`, { body: { secret: {} } })).status, 400);
  assert.equal((await ask("POST", `/runs/${RUN}/retry`)).status, 201);
});

test("a POST with an Idempotency-Key that is sent again is the same run", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  const headers = { "idempotency-key": "build 7" };
  const post = async (path: string, body: unknown) => {
    const { status, json, response } = await ask("POST", path, { body, headers });
    return { status, run: (await json()).run, isReplayed: response.headers.has("idempotent-replayed") };
  };
  const first = await post("/runs", { resource: RESOURCE });
  assert.deepEqual([first.status, first.isReplayed], [201, false]);
  assert.deepEqual(await post("/runs", { resource: RESOURCE }), { ...first, isReplayed: true });
  assert.equal((await post("/runs", { resource: { ...RESOURCE, spec: { size: 2 } } })).status, 409);
  assert.equal((await post(`/runs/${first.run}/retry`, {})).status, 409);
  assert.equal((await world.store.runs.list()).length, 1);
  assert.equal((await post("/runs", { run: OTHER, resource: RESOURCE })).status, 400);
  assert.equal((await ask("POST", "/runs", { body: { resource: RESOURCE } })).status, 201);
  assert.equal((await world.store.runs.list()).length, 2);
});

test("a run beyond the bound is refused until another one has ended", async () => {
  await using world = await openWorld();
  const { ask, engine } = await openApi(world, { maxOpenRuns: 2 });
  await using _b = await scriptedDriver(world.transport, "b", () => ({ success: true, message: "" }));
  for (const run of [RUN, OTHER]) {
    assert.equal((await ask("POST", "/runs", { body: { run, resource: RESOURCE } })).status, 201);
  }
  const refused = await ask("POST", "/runs", { body: { resource: RESOURCE } });
  assert.deepEqual([refused.status, (await refused.json()).code], [429, "too-many"]);
  assert.match(refused.response.headers.get("retry-after") ?? "", /^\d+$/);
  assert.equal((await ask("POST", `/runs/${RUN}/retry`)).status, 429);
  assert.equal((await ask("POST", `/runs/${RUN}/cancel`)).status, 202);
  await endOf(engine, RUN);
  assert.equal((await ask("POST", "/runs", { body: { resource: RESOURCE } })).status, 201);
});

test("the runs of each token are bounded and named apart, and so are its Idempotency-Keys", async () => {
  await using world = await openWorld();
  const tokens = ["one", "two"].map((name) => ({ name, role: "submit" as const, token: `token-${name}` }));
  const { ask, engine } = await openApi(world, { tokens, maxRunsEach: 2 });
  await using _b = await scriptedDriver(world.transport, "b", () => ({ success: true, message: "" }));
  const post = async (name: string, key: string) => {
    const headers = { authorization: `Bearer token-${name}`, "idempotency-key": key };
    const { status, json } = await ask("POST", "/runs", { body: { resource: RESOURCE }, headers });
    return { status, body: await json() };
  };
  const [first, second] = [await post("one", "a"), await post("one", "b")];
  assert.deepEqual([first.status, second.status], [201, 201]);
  const refused = await post("one", "c");
  assert.deepEqual([refused.status, refused.body["code"]], [429, "too-many"]);
  assert.match(String(refused.body["error"]), /2 runs of "one" have not ended: expected fewer than 2/);
  assert.deepEqual([(await post("one", "a")).body, (await post("one", "a")).status], [first.body, 201]);
  const other = await post("two", "a");
  assert.equal(other.status, 201);
  assert.notEqual(other.body["run"], first.body["run"]);
  const { submitter } = await (await ask("GET", `/runs/${other.body["run"]}`)).json();
  assert.equal(submitter, "two");
  await ask("POST", `/runs/${first.body["run"]}/cancel`);
  await endOf(engine, String(first.body["run"]));
  assert.equal((await post("one", "c")).status, 201);
});

test("a body with more mistakes than can be collected is refused, not a defect", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  const steps = `[${"{},".repeat(340_000)}{}]`;
  const body =
    `{"resource":{"name":"x","resource":"${TYPE}","spec":{}},"pipeline":{"name":"p","resource":"t","steps":${steps}}}`;
  const { status, json } = await ask("POST", "/runs", { body });
  const { code, error } = await json();
  assert.deepEqual([status, code], [400, "invalid-request"], String(error));
  assert.match(String(error), /^body.*: /);
});

test("artifacts are listed, and fetched whole or in part, as what no browser shows as a page", async () => {
  await using world = await openWorld();
  const { ask, engine } = await openApi(world);
  await using _a = await scriptedDriver(world.transport, "a", async ({ run }) => {
    const stored = await world.transport.putBlob(run, "out/it's a page.html", bytes("0123456789"), {
      mode: 0o755,
      mtime: 1e9,
    });
    await world.transport.putBlob(run, "empty", bytes(""));
    const artifacts = [{ name: "out/it's a page.html", path: "/workspace/out/page.html", ...stored }];
    return { success: true, message: "", data: { artifacts } };
  });
  await using _b = await scriptedDriver(world.transport, "b", () => ({ success: true, message: "" }));
  await ask("POST", "/runs", { body: { run: RUN, resource: RESOURCE } });
  await endOf(engine, RUN);
  const { artifacts } = await (await ask("GET", `/runs/${RUN}/artifacts`)).json() as {
    artifacts: { name: string; path: string; size: number; mode?: string; mtime?: number }[];
  };
  assert.deepEqual(artifacts.map(({ name, path, size, mode, mtime }) => [name, path, size, mode, mtime]), [
    ["empty", "empty", 0, undefined, undefined],
    ["out/it's a page.html", "/workspace/out/page.html", 10, "0755", 1e9],
  ]);
  const path = `/runs/${RUN}/artifacts/out/${encodeURIComponent("it's a page.html")}`;
  const fetch = async (headers: Record<string, string>, at = path) => {
    const { response, status, text } = await ask("GET", at, { headers });
    return { status, text: await text(), header: (name: string) => response.headers.get(name) };
  };
  const whole = await fetch({});
  assert.deepEqual([whole.status, whole.text, whole.header("content-length")], [200, "0123456789", "10"]);
  assert.equal(whole.header("content-type"), "application/octet-stream");
  assert.equal(whole.header("x-content-type-options"), "nosniff");
  assert.match(whole.header("content-security-policy") ?? "", /sandbox/);
  assert.equal(whole.header("content-disposition"), "attachment; filename*=UTF-8''it%27s%20a%20page.html");
  const etag = whole.header("etag") ?? "";
  for (
    const [range, text, contentRange] of [
      ["bytes=0-0", "0", "bytes 0-0/10"],
      ["bytes=3-5", "345", "bytes 3-5/10"],
      ["bytes=7-", "789", "bytes 7-9/10"],
      ["bytes=8-99", "89", "bytes 8-9/10"],
      ["bytes=-4", "6789", "bytes 6-9/10"],
    ] as const
  ) {
    const part = await fetch({ range, "if-range": etag });
    assert.deepEqual([part.status, part.text, part.header("content-range"), part.header("content-length")], [
      206,
      text,
      contentRange,
      String(text.length),
    ]);
  }
  for (const range of ["bytes=5-3", "bytes=0-1,3-4", "lines=1-2", "bytes=-"]) {
    assert.deepEqual((await fetch({ range })).text, "0123456789", range);
  }
  assert.equal((await fetch({ range: "bytes=3-5", "if-range": '"other"' })).status, 200);
  for (const [range, at] of [["bytes=10-", path], ["bytes=0-", `/runs/${RUN}/artifacts/empty`]]) {
    const beyond = await fetch({ range: String(range) }, at);
    assert.equal(beyond.status, 416);
    assert.match(beyond.header("content-range") ?? "", /^bytes \*\/(10|0)$/);
  }
  assert.deepEqual((({ status, text }) => [status, text])(await fetch({ "if-none-match": etag })), [304, ""]);
});

test("all artifacts of a run come in one archive, with their names and permission bits", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  await ask("POST", "/runs", { body: { run: RUN, resource: RESOURCE } });
  const large = "0123456789".repeat(100_000);
  await world.transport.putBlob(RUN, "a/large", bytes(large), { mode: 0o755, mtime: 1e9 });
  await world.transport.putBlob(RUN, "empty", bytes(""));
  await world.transport.putBlob(RUN, "b/link", bytes(large), { mode: 0o755 });
  const { value, revision } = await world.store.runs.get(RUN) ?? assert.fail();
  const artifacts = ["a/large", "b/link"].map((name) => ({ name, path: "a/large", size: 1, sha256: "" }));
  const result = { success: true, message: "", data: { artifacts } };
  await world.store.runs.put(
    RUN,
    { ...value, steps: value.steps.map((step, i) => i === 0 ? { ...step, result } : step) },
    revision,
  );
  const { response } = await ask("GET", `/runs/${RUN}/artifacts.tar`);
  assert.equal(response.headers.get("content-type"), "application/x-tar");
  const found: Record<string, [number | undefined, string, number | undefined]> = {};
  const reading = extract();
  reading.end(new Uint8Array(await response.arrayBuffer()));
  for await (const entry of reading) {
    const parts = await Array.fromAsync(entry as AsyncIterable<Uint8Array>);
    const { name, mode, linkname, mtime } = entry.header;
    found[name] = [mode, linkname ?? Buffer.concat(parts).toString(), mtime?.getTime()];
  }
  assert.deepEqual(found, {
    "a/large": [0o755, large, 1e12],
    "b/link": [0o755, "../a/large", 0],
    empty: [0o644, "", 0],
  });
  const left = (await ask("GET", `/runs/${RUN}/artifacts.tar`)).response.body?.getReader();
  assert.equal((await left?.read())?.done, false);
  await left?.cancel();
  assert.equal((await ask("GET", `/runs/${OTHER}/artifacts.tar`)).status, 404);
});

test("a token of a lesser role does no more than that role", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world, {
    tokens: [{ name: "ci", role: "submit", token: "of-ci" }, {
      name: "wall",
      role: "read",
      token: "of-wall",
    }],
  });
  const status = async (token: string, method: string, path: string, body?: unknown) =>
    (await ask(method, path, {
      headers: { authorization: `Bearer ${token}` },
      ...body !== undefined && { body },
    }))
      .status;
  for (const token of [TOKEN, "of-ci"]) {
    assert.equal(await status(token, "POST", "/runs", { resource: RESOURCE }), 201, token);
    assert.equal(await status(token, "GET", "/runs"), 200);
  }
  assert.equal(await status("of-wall", "GET", "/runs"), 200);
  assert.equal(await status("of-wall", "POST", "/runs", { resource: RESOURCE }), 403);
  const { runs: [run] } = await (await ask("GET", "/runs")).json() as { runs: RunSummary[] };
  for (const verb of ["cancel", "retry"]) {
    assert.equal(await status("of-wall", "POST", `/runs/${run?.id}/${verb}`), 403, verb);
  }
  assert.equal(await status("of-nobody", "GET", "/runs"), 401);
});

test("/healthz, /readyz and /metrics tell the truth", async () => {
  await using world = await openWorld();
  const draining = new AbortController();
  const reasons: string[] = [];
  const { engine } = await openApi(world);
  const troubles: string[] = [];
  const { ask } = await openApi(world, {
    engine: Object.create(engine, { troubles: { get: () => troubles } }),
    draining: draining.signal,
    reasons: () => Promise.resolve(reasons),
    metrics: () => Promise.resolve("conveyor_up 1\n"),
  });
  const open = { headers: { authorization: "" } };
  const ready = async () => {
    const { status, text } = await ask("GET", "/readyz", open);
    return [status, await text()];
  };
  assert.deepEqual(await ready(), [200, "ready\n"]);
  troubles.push("Taking results");
  reasons.push("Docker does not answer");
  assert.deepEqual(await ready(), [503, "Taking results fails\nDocker does not answer\n"]);
  troubles.length = reasons.length = 0;
  draining.abort();
  assert.deepEqual(await ready(), [503, "The control plane is shutting down\n"]);
  assert.equal((await ask("GET", "/healthz", open)).status, 200);
  assert.equal((await ask("GET", "/metrics", open)).status, 401);
  const metrics = await ask("GET", "/metrics");
  assert.equal(await metrics.text(), "conveyor_up 1\n");
});

test("/openapi.json describes every route, with its parameters and answers", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world, { metrics: () => Promise.resolve("") });
  const description = await (await ask("GET", "/openapi.json")).json() as {
    openapi: string;
    paths: Record<string, Record<string, { parameters?: { name: string; in: string; schema: unknown }[] }>>;
  };
  assert.match(description.openapi, /^3\.1/);
  for (
    const [path, method] of [
      ["/runs", "get"],
      ["/runs", "post"],
      ["/runs/{id}", "get"],
      ["/runs/{id}/cancel", "post"],
      ["/runs/{id}/retry", "post"],
      ["/runs/{id}/logs", "get"],
      ["/runs/{id}/events", "get"],
      ["/runs/{id}/artifacts", "get"],
      ["/runs/{id}/artifacts/{name}", "get"],
      ["/metrics", "get"],
      ["/readyz", "get"],
    ] as const
  ) assert.ok(description.paths[path]?.[method], `${method} ${path}`);
  const limit = description.paths["/runs"]?.get?.parameters?.find(({ name }) => name === "limit");
  assert.deepEqual([limit?.in, (limit?.schema as { maximum?: number }).maximum], ["query", 200]);
});
