import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { InputError, UnavailableError } from "../../lib/base/errors.ts";
import { ApiAwayError, call, exchange, ExistsError, MissingError } from "../../lib/cli/shared/api/call.ts";
import { apiClient } from "../../lib/cli/shared/api/client.ts";
import { followRun } from "../../lib/cli/shared/api/follow.ts";
import { Patience } from "../../lib/cli/shared/api/patience.ts";
import type { RunEvent } from "../../lib/engine/core/events.ts";
import { listen } from "../../lib/engine/http/listen.ts";
import { openRequest, PROOF_HEADER } from "../../lib/wire/sealed-request.ts";

const RUN = "11111111-2222-4333-8444-555555555555";
const TIME = "2026-01-01T00:00:00.000Z";
const RESOURCE = { id: "r", name: "one", resource: "thing", spec: {} };

const log = (seq: number): RunEvent => (
  { type: "log", run: RUN, step: "a", seq, stream: "stdout", time: TIME, message: `line ${seq}` }
);
const EVENTS: RunEvent[] = [
  { type: "run", run: RUN, resource: RESOURCE, time: TIME },
  { type: "step", run: RUN, step: "a", driver: "a", status: "started", time: TIME },
  log(1),
  log(2),
  {
    type: "step",
    run: RUN,
    step: "a",
    driver: "a",
    status: "succeeded",
    seconds: 1,
    result: { success: true, message: "" },
    time: TIME,
  },
  log(3),
  { type: "end", run: RUN, outcome: "succeeded", message: "", seconds: 1, lines: 3, artifacts: [] },
];

function patience({ clock = () => 0, away = [] }: { clock?: () => number; away?: string[] } = {}) {
  return new Patience({
    clock,
    patienceMs: 10,
    hint: "It goes on",
    onAway: (error) => away.push(error.message),
  });
}

async function* cutAt(cut: number): AsyncGenerator<RunEvent> {
  for (const event of EVENTS.slice(0, cut)) yield await Promise.resolve(event);
  if (cut < EVENTS.length) throw new ApiAwayError("cut");
}

test("followRun tells each event once, wherever connections are cut off", async () => {
  for (let first = 0; first <= EVENTS.length; first++) {
    for (let second = 0; second <= EVENTS.length; second++) {
      const cuts = [first, second, EVENTS.length];
      const connect = () => cutAt(cuts.shift() ?? 0);
      assert.deepEqual(await Array.fromAsync(followRun(connect, patience())), EVENTS);
    }
  }
});

test("followRun goes on where a connection ends in an orderly way before the run does", async () => {
  const cuts = [3, EVENTS.length];
  async function* connect(): AsyncGenerator<RunEvent> {
    yield* await Promise.resolve(EVENTS.slice(0, cuts.shift()));
  }
  const away: string[] = [];
  assert.deepEqual(await Array.fromAsync(followRun(connect, patience({ away }))), EVENTS);
  assert.deepEqual(away, ["The control plane has ended the connection before the run"]);
});

test("followRun gives up when nothing was heard for too long, and says once that it waits", async () => {
  let now = 0;
  let tries = 0;
  async function* connect(): AsyncGenerator<RunEvent> {
    now += 4;
    if (++tries === 2) yield await Promise.resolve(log(1));
    throw new ApiAwayError("Away");
  }
  const away: string[] = [];
  const told: RunEvent[] = [];
  const following = async () => {
    for await (const event of followRun(connect, patience({ clock: () => now, away }))) told.push(event);
  };
  await assert.rejects(following(), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.deepEqual([error.message, error.hint], ["Away", "It goes on"]);
    return true;
  });
  // Twice: before the second try, which was heard, and from then on.
  assert.deepEqual([away, tries, told.length], [["Away", "Away"], 5, 1]);
});

test("followRun throws what trying again does not mend", async () => {
  async function* connect(): AsyncGenerator<RunEvent> {
    yield await Promise.reject(new UnavailableError("Wrong token"));
  }
  await assert.rejects(Array.fromAsync(followRun(connect, patience())), /Wrong token/);
});

test("call says in our words what a control plane answers", async () => {
  const answers: [number, string, unknown, RegExp][] = [
    [400, '{"error":"body: wrong"}', InputError, /^body: wrong$/],
    [413, '{"error":"too large"}', InputError, /^too large$/],
    [401, '{"error":"Wrong token"}', UnavailableError, /does not accept the token/],
    [404, '{"error":"Unknown run"}', MissingError, /^Unknown run$/],
    [409, '{"error":"It is there"}', ExistsError, /^It is there$/],
    [403, '{"error":7}', UnavailableError, /refuses \(403\): \{"error":7\}$/],
    [500, "x".repeat(9000), ApiAwayError, /says: x{200}$/],
    [302, "", UnavailableError, /refuses \(302\): nothing/],
    [503, '{"error":"draining"}', ApiAwayError, /says: draining/],
    [502, "<html>Bad gateway</html>", ApiAwayError, /says: <html>Bad gateway/],
  ];
  for (const [status, body, kind, message] of answers) {
    await using server = await listen(
      () => Promise.resolve(new Response(body, { status })),
      { host: "127.0.0.1", port: 0 },
    );
    await assert.rejects(call({ url: server.url, token: "t" }, { method: "GET", path: "/x" }), (error) => {
      assert.ok(error instanceof (kind as typeof Error), String(error));
      assert.match(error.message, message);
      return true;
    });
  }
});

test("call sends the token, and throws what ended it: nobody there, a cut, a signal", async () => {
  let authorization: string | null = "";
  const server = await listen((request) => {
    authorization = request.headers.get("authorization");
    return Promise.resolve(new Response(new ReadableStream({ start: (c) => c.enqueue(new Uint8Array(10)) })));
  }, { host: "127.0.0.1", port: 0 });
  const api = { url: server.url, token: "t0ken" };
  const get = { method: "GET", path: "/x" } as const;
  const leaving = new AbortController();
  const left = await call(api, { ...get, signal: leaving.signal });
  const cut = (await call(api, get))[Symbol.asyncIterator]();
  assert.equal(authorization, "Bearer t0ken");
  assert.equal((await cut.next()).value?.length, 10);
  leaving.abort(new Error("Enough"));
  await assert.rejects(Array.fromAsync(left), /Enough/);
  // A request whose connection broke may have had an effect; one that nobody has taken had none.
  const away = (isCutOff: boolean) => (error: unknown) =>
    error instanceof ApiAwayError && error.isCutOff === isCutOff && error.message.includes(api.url);
  const refused = assert.rejects(cut.next(), away(true));
  await server[Symbol.asyncDispose]();
  await refused;
  await assert.rejects(call(api, get), away(false));
});

test("apiClient refuses what is not one of our control planes, and an artifact that came damaged", async () => {
  await using server = await listen(
    () => Promise.resolve(new Response("<html>hello</html>\n")),
    { host: "127.0.0.1", port: 0 },
  );
  const client = apiClient({ url: server.url, token: "t" });
  await assert.rejects(
    Array.fromAsync(client.events(RUN, { logs: true })),
    /is not one of our control planes: <html>hello/,
  );
  const bytes = await client.artifact(RUN, { name: "a", sha256: "00" });
  await assert.rejects(Array.fromAsync(bytes), /"a" arrived damaged/);
});

test("apiClient reads events line by line, without the empty ones that keep a connection open", async () => {
  const asked: string[] = [];
  await using server = await listen((request) => {
    asked.push(`${request.method} ${new URL(request.url).pathname}${new URL(request.url).search}`);
    const lines = EVENTS.map((event) => `\n${JSON.stringify(event)}\n`).join("\n");
    return Promise.resolve(new Response(`${lines}{"type":"log","se`));
  }, { host: "127.0.0.1", port: 0 });
  const client = apiClient({ url: server.url, token: "t" });
  assert.deepEqual(await Array.fromAsync(client.events(RUN, { logs: true })), EVENTS);
  await Array.fromAsync(client.events(RUN, { logs: false }));
  assert.deepEqual(asked, [`GET /runs/${RUN}/events`, `GET /runs/${RUN}/events?logs=false`]);
});

test("apiClient waits until a run is taken or cancelled, and passes on an artifact that is whole", async () => {
  const taken: string[] = [];
  await using server = await listen(async (request) => {
    const { pathname } = new URL(request.url);
    if (request.method === "GET") return new Response(`bytes of ${decodeURIComponent(pathname)}`);
    taken.push(`${pathname} ${await request.text()}`);
    if (pathname.endsWith("/cancel")) return Response.json({ error: "It has ended" }, { status: 409 });
    return Response.json({ run: RUN }, { status: 201 });
  }, { host: "127.0.0.1", port: 0 });
  const client = apiClient({ url: server.url, token: "t" });
  const { signal } = new AbortController();
  const run = { run: RUN, resource: RESOURCE, pipeline: "p", timeout: 1, restarts: 0, secrets: {} };
  await client.submit(run, { signal });
  await assert.rejects(client.cancel(RUN, "Enough"), ExistsError);
  assert.deepEqual(taken, [
    `/runs ${JSON.stringify(run)}`,
    `/runs/${RUN}/cancel ${JSON.stringify({ message: "Enough" })}`,
  ]);
  const expected = `bytes of /runs/${RUN}/artifacts/a b/c`;
  const sha256 = createHash("sha256").update(expected).digest("hex");
  const bytes = await client.artifact(RUN, { name: "a b/c", sha256 });
  assert.equal(Buffer.concat(await Array.fromAsync(bytes)).toString(), expected);
});

test("call believes nothing of whoever cannot prove to know the token, and tells it neither token nor request", async () => {
  const token = "the-token-of-this-control-plane";
  const heard: string[] = [];
  const answer = { status: 200, isProved: false };
  await using server = await listen(async (request) => {
    const authorization = request.headers.get("authorization") ?? "";
    const body = new Uint8Array(await request.arrayBuffer());
    heard.push(`${authorization} ${Buffer.from(body).toString("latin1")}`);
    const { pathname, search } = new URL(request.url);
    const facts = { method: request.method, path: `${pathname}${search}`, body, now: Date.now() };
    const opened = answer.isProved ? openRequest(token, authorization, facts) : undefined;
    const said = opened ? Buffer.from(opened.body).toString() || "nothing" : "forged";
    const proof = opened?.proof(answer.status);
    return new Response(answer.status === 204 ? null : said, {
      status: answer.status,
      headers: { ...proof !== undefined && { [PROOF_HEADER]: proof }, "X-Said": said },
    });
  }, { host: "127.0.0.1", port: 0 });
  const api = { url: server.url, token, isSealed: true };
  const request = { method: "POST", path: "/x?", body: { secret: "hunter2-hunter2" } } as const;
  const text = async () => Buffer.concat(await Array.fromAsync(await call(api, request))).toString();
  for (const status of [200, 302, 404, 409, 499]) {
    answer.status = status;
    await assert.rejects(text(), /does not accept the token, or something else answers there/, `${status}`);
  }
  // What is in between and cannot reach it has no proof either.
  for (const status of [500, 503]) {
    answer.status = status;
    await assert.rejects(text(), ApiAwayError);
  }
  Object.assign(answer, { status: 200, isProved: true });
  assert.equal(await text(), JSON.stringify(request.body));
  const get = { method: "GET", path: "/x" } as const;
  assert.deepEqual(await exchange(api, get, "X-Said"), { text: "nothing", header: "nothing" });
  assert.equal((await exchange(api, get, "X-Other")).header, undefined);
  answer.status = 404;
  await assert.rejects(text(), MissingError);
  assert.doesNotMatch(heard.join("\n"), /hunter2|the-token/);
});
