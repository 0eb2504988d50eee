import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { Engine } from "../../lib/engine/shell/engine.ts";
import type { RunEvent } from "../../lib/engine/core/events.ts";
import { BUILD_RESOURCE } from "../../lib/build/resource-type.ts";
import { namesOf, urlFromHere } from "../../lib/engine/http/hosts.ts";
import { isProof, sealRequest } from "../../lib/wire/sealed-request.ts";
import { bytes, within } from "../backend/transport-conformance/opened.ts";
import { openApi, PIPELINE, RESOURCE, TOKEN } from "./support/api.ts";
import { RUN, stepsOf, TYPE } from "./support/runs.ts";
import { scriptedDriver } from "./support/scripted-driver.ts";
import { brief, openWorld } from "./support/world.ts";

const OTHER = "99999999-2222-4333-8444-555555555555";

test("httpApi opens requests that are sealed with its token, and proves in each answer that it knows it", async () => {
  await using world = await openWorld();
  const now = 1_800_000_000_000;
  const { ask } = await openApi(world, { clock: () => now });
  const sealed = async (path: string, body: unknown, { token = TOKEN, at = now, method = "POST" } = {}) => {
    const plain = new TextEncoder().encode(body === undefined ? "" : JSON.stringify(body));
    const request = sealRequest(token, { method, path, body: plain, now: at });
    const { response, status } = await ask(method, path, {
      headers: { authorization: request.authorization },
      ...method === "POST" && { body: request.body },
    });
    return { status, isProved: isProof(response.headers.get("conveyor-proof"), request.proof(status)) };
  };
  const run = { run: RUN, resource: RESOURCE };
  assert.deepEqual(await sealed("/runs", run), { status: 201, isProved: true });
  assert.deepEqual(await sealed("/runs", run), { status: 409, isProved: true });
  assert.deepEqual(await sealed("/runs", { nothing: 1 }), { status: 400, isProved: true });
  assert.deepEqual(await sealed("/nowhere?x=1", undefined, { method: "GET" }), {
    status: 404,
    isProved: true,
  });
  assert.deepEqual(await sealed("/runs", run, { at: now - 3_600_000 }), { status: 401, isProved: true });
  assert.deepEqual(await sealed("/runs", run, { token: "another" }), { status: 401, isProved: false });
  assert.deepEqual(await sealed("/runs", { big: "x".repeat(1024 * 1024) }), { status: 413, isProved: false });
});

test("httpApi takes a run, tells its events up to its end, and hands out its artifacts", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  await using _a = await scriptedDriver(world.transport, "a", async ({ log, run }) => {
    await log("hello");
    await world.transport.putBlob(run, "another", bytes("of another size"));
    await world.transport.putBlob(run, "dir/ä file.bin", bytes("content"));
    return { success: true, message: "done" };
  });
  await using _b = await scriptedDriver(world.transport, "b", () => ({ success: true, message: "gone" }));
  const posted = await ask("POST", "/runs", { body: { run: RUN, resource: RESOURCE } });
  assert.deepEqual([posted.status, await posted.json()], [201, { run: RUN }]);
  const { response } = await ask("GET", `/runs/${RUN}/events`);
  const events = linesOf(await response.text());
  assert.deepEqual(events.map(brief), [
    "run",
    "a started",
    "a 1 hello",
    "a succeeded",
    "b started",
    "b succeeded",
    "end succeeded",
  ]);
  const artifact = await ask("GET", `/runs/${RUN}/artifacts/dir/${encodeURIComponent("ä file.bin")}`);
  assert.deepEqual([artifact.status, await artifact.response.text()], [200, "content"]);
  assert.equal(artifact.response.headers.get("content-length"), "7");
  const quiet = await ask("GET", `/runs/${RUN}/events?logs=false`);
  assert.deepEqual(
    linesOf(await quiet.response.text()).map(({ type }) => type).filter((type) => type === "log"),
    [],
  );
});

test("httpApi takes a pipeline by its name: a stored one, or that of the resource's type", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  const stored = { ...PIPELINE, name: "kept", steps: stepsOf("c") };
  await world.store.pipelines.put("kept", stored, 0);
  const pipelineOf = async (pipeline: unknown) => {
    const answer = await ask("POST", "/runs", { body: { resource: RESOURCE, pipeline } });
    const { run, error } = await answer.json();
    return typeof run === "string"
      ? (await world.store.runs.get(run))?.value.pipeline
      : [answer.status, error];
  };
  assert.deepEqual(await pipelineOf("kept"), stored);
  assert.deepEqual(await pipelineOf("line"), PIPELINE);
  assert.deepEqual(await pipelineOf("lost"), [
    400,
    'body.pipeline: No pipeline "lost" is stored here: expected the name of one, or its steps',
  ]);
  await world.store.pipelines.put("other", { ...stored, name: "other", resource: "another" }, 0);
  assert.deepEqual(await pipelineOf("other"), [
    400,
    `Pipeline "other" is for resources of the type "another": got "${TYPE}"`,
  ]);
});

test("httpApi answers only who has the token, but /health to all", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  for (const authorization of ["", "Bearer", "Bearer wrong", `Basic ${TOKEN}`, `Bearer ${TOKEN}x`, TOKEN]) {
    for (
      const [method, path] of [["POST", "/runs"], ["GET", `/runs/${RUN}/events`], ["GET", "/x"]] as const
    ) {
      const { status, json, response } = await ask(method, path, { headers: { authorization } });
      assert.equal(status, 401, `${authorization} ${path}`);
      assert.equal(typeof (await json()).error, "string");
      assert.equal(response.headers.get("www-authenticate"), "Bearer");
    }
  }
  const health = await ask("GET", "/health", { headers: { authorization: "" } });
  const { status, time } = await health.json();
  assert.deepEqual([health.status, status, typeof time], [200, "healthy", "number"]);
});

test("httpApi says at /health that a part of the engine fails", async () => {
  await using world = await openWorld();
  const { engine, ask } = await openApi(world);
  const failing = Object.create(engine, { troubles: { value: ["Taking results"] } });
  const { ask: askFailing } = await openApi(world, { engine: failing });
  assert.deepEqual((await ask("GET", "/health")).status, 200);
  const health = await askFailing("GET", "/health", { headers: { authorization: "" } });
  assert.equal(health.status, 503);
  const { time: _, ...facts } = await health.json();
  assert.deepEqual(facts, { status: "failing", troubles: ["Taking results"] });
});

test("httpApi answers nobody who asks for another host, not even /health", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  for (
    const host of [
      "evil.example",
      "evil.example:8080",
      "127.0.0.1.evil.example",
      "127.0.0.2",
      "",
      "a@127.0.0.1",
    ]
  ) {
    assert.equal((await ask("GET", "/health", { headers: { host } })).status, 421, host);
  }
  for (const host of ["localhost", "LOCALHOST:9000", "127.0.0.1", "[::1]:8080"]) {
    assert.equal((await ask("GET", "/health", { headers: { host } })).status, 200, host);
  }
});

test("namesOf knows by which names a server is asked for", () => {
  const everywhere = namesOf("0.0.0.0", "Build7");
  for (const name of ["10.0.0.7", "[fe80::1]", "localhost", "build7"]) assert.ok(everywhere(name), name);
  for (const name of ["build8", "evil.example"]) assert.ok(!everywhere(name), name);
  const one = namesOf("ci.example.com", "build7");
  assert.ok(one("CI.example.com"));
  for (const name of ["localhost", "127.0.0.1", "build7"]) assert.ok(!one(name), name);
  const here = namesOf("[::1]", "build7");
  for (const name of ["localhost", "127.0.0.1", "[::1]"]) assert.ok(here(name), name);
  for (const name of ["build7", "127.0.0.2", "::2"]) assert.ok(!here(name), name);
});

test("urlFromHere is loopback for a server that listens everywhere, else its own address", () => {
  const cases = {
    "http://0.0.0.0:8080": "http://127.0.0.1:8080",
    "https://[::]:80": "https://[::1]:80",
    "http://10.0.0.0:8080": "http://10.0.0.0:8080",
    "http://[::2]:8080": "http://[::2]:8080",
    "http://localhost:8080": "http://localhost:8080",
  };
  for (const [url, expected] of Object.entries(cases)) assert.equal(urlFromHere(url), expected);
});

test("httpApi lets pages of one origin call it, if told so, and no other", async () => {
  await using world = await openWorld();
  const origin = "https://ci.example.com";
  const { ask } = await openApi(world, { cors: origin });
  const preflight = await ask("OPTIONS", "/runs", { headers: { origin, authorization: "" } });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.response.headers.get("access-control-allow-origin"), origin);
  assert.match(preflight.response.headers.get("access-control-allow-headers") ?? "", /Authorization/);
  const called = await ask("GET", "/x", { headers: { origin } });
  assert.deepEqual([called.status, called.response.headers.get("access-control-allow-origin")], [
    404,
    origin,
  ]);
  const other = await ask("OPTIONS", "/runs", { headers: { origin: "https://evil.example" } });
  assert.equal(other.response.headers.get("access-control-allow-origin"), null);

  const { ask: askPlain } = await openApi(world);
  const none = await askPlain("GET", "/health", { headers: { origin } });
  assert.equal(none.response.headers.get("access-control-allow-origin"), null);
});

test("httpApi refuses what is no run with every reason, and starts nothing", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  const cases: [unknown, RegExp][] = [
    ["{", /^The body is not JSON/],
    ["null", /body: expected object/],
    [{}, /body\.resource: expected object/],
    [
      { resource: { ...RESOURCE, name: 1 }, restarts: "x", surprise: 1 },
      /body\.resource\.name: .*\n.*body\.restarts: /s,
    ],
    [{ resource: RESOURCE, run: "x" }, /run: expected a UUID, got "x"/],
    [{ resource: RESOURCE, timeout: "soon" }, /body\.timeout: Invalid duration "soon"/],
    [{ resource: RESOURCE, timeout: -1 }, /timeoutMs/],
    [{ resource: { ...RESOURCE, resource: "other" } }, /resources of the type "other" have none/],
    [{ resource: { ...RESOURCE, resource: "__proto__" } }, /"__proto__"/],
    [
      { resource: { ...RESOURCE, resource: "a.b" }, pipeline: { ...PIPELINE, resource: "a.b" } },
      /part of a subject/,
    ],
    [{ resource: RESOURCE, pipeline: { ...PIPELINE, steps: [] } }, /at least one step/],
  ];
  for (const [body, expected] of cases) {
    const { status, json } = await ask("POST", "/runs", { body });
    const { error } = await json();
    assert.equal(status, 400, String(error));
    assert.match(String(error), expected);
  }
  assert.deepEqual(await world.store.runs.list(), []);
});

test("httpApi checks a build's spec, takes its timeout, and asks for the secrets it names", async () => {
  await using world = await openWorld();
  const pipeline = { ...PIPELINE, resource: "flutter-builder" };
  const { ask } = await openApi(world, { resourceTypes: [{ ...BUILD_RESOURCE, pipeline }] });
  const spec = { repository: "https://x/y", timeout: "90s", restart: 2, secrets: ["KEY"] };
  const body = { run: RUN, resource: { name: "x", resource: "flutter-builder", spec } };
  const mistyped = await ask("POST", "/runs", {
    body: { resource: { ...body.resource, spec: { comands: [], depth: -1 } } },
  });
  assert.equal(mistyped.status, 400);
  assert.match(String((await mistyped.json()).error), /spec\.repository: .*spec\.depth: .*comands/s);
  const missing = await ask("POST", "/runs", { body });
  assert.equal(missing.status, 400);
  assert.match(String((await missing.json()).error), /body\.secrets: expected a value for "KEY"/);
  assert.equal((await ask("POST", "/runs", { body: { ...body, secrets: { KEY: "s3cret" } } })).status, 201);
  const run = (await world.store.runs.get(RUN))?.value;
  assert.deepEqual([run?.timeoutMs, run?.restartsLeft], [90_000, 2]);
  assert.equal(JSON.stringify(run).includes("s3cret"), false);
});

test("httpApi never quotes a secret that it refuses", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  for (
    const body of [
      { resource: RESOURCE, secrets: { a: ["s3cret"] } },
      '{"secrets":{"a":"s3cret"}',
      '"s3cret"x',
    ]
  ) {
    const { status, response } = await ask("POST", "/runs", { body });
    assert.equal(status, 400);
    assert.equal((await response.text()).includes("s3cret"), false);
  }
});

test("httpApi refuses a run that exists, and one that is too large", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  const body = { run: RUN, resource: RESOURCE };
  assert.equal((await ask("POST", "/runs", { body })).status, 201);
  const again = await ask("POST", "/runs", { body });
  const request = again.response.headers.get("x-request-id");
  assert.deepEqual([again.status, await again.json()], [
    409,
    { error: `A run "${RUN}" exists already`, code: "conflict", request },
  ]);
  const spec = { text: "x".repeat(300 * 1024) };
  const large = await ask("POST", "/runs", { body: { resource: { ...RESOURCE, spec } } });
  assert.equal(large.status, 413);
  assert.match(String((await large.json()).error), /resource\.spec: has \d+ bytes/);
  const huge = await ask("POST", "/runs", { body: JSON.stringify({ resource: "x".repeat(2 ** 20) }) });
  assert.equal(huge.status, 413);
  assert.equal((await world.store.runs.list()).length, 1);
});

test("httpApi takes no run while it drains, and goes on telling of those it has", async () => {
  await using world = await openWorld();
  const draining = new AbortController();
  const { ask } = await openApi(world, { draining: draining.signal });
  assert.equal((await ask("POST", "/runs", { body: { run: RUN, resource: RESOURCE } })).status, 201);
  draining.abort();
  const refused = await ask("POST", "/runs", { body: { run: OTHER, resource: RESOURCE } });
  assert.equal(refused.status, 503);
  assert.equal((await ask("POST", `/runs/${RUN}/cancel`)).status, 202);
  const { response } = await ask("GET", `/runs/${RUN}/events`);
  await using _b = await scriptedDriver(world.transport, "b", () => ({ success: true, message: "" }));
  const last = linesOf(await within(response.text(), "the events")).at(-1);
  assert.equal(last?.type === "end" && last.outcome, "cancelled");
});

test("httpApi cancels a run, with the words of who asked, and knows no others", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  await using _b = await scriptedDriver(world.transport, "b", () => ({ success: true, message: "" }));
  assert.equal((await ask("POST", "/runs", { body: { run: RUN, resource: RESOURCE } })).status, 201);
  assert.equal((await ask("POST", `/runs/${RUN}/cancel`, { body: { message: "Enough" } })).status, 202);
  const { response } = await ask("GET", `/runs/${RUN}/events`);
  const end = linesOf(await response.text()).at(-1);
  assert.deepEqual(end?.type === "end" && [end.outcome, end.reason, end.message], [
    "cancelled",
    "cancelled",
    "Enough",
  ]);
  for (const id of [OTHER, "x", "..%2f..%2fetc", encodeURIComponent("a b")]) {
    for (const [method, path] of [["POST", "cancel"], ["GET", "events"], ["GET", "artifacts/a"]]) {
      const { status, json } = await ask(String(method), `/runs/${id}/${path}`);
      assert.equal(status, 404, `${id} ${path}`);
      assert.match(String((await json()).error), /^Unknown run/);
    }
  }
});

test("httpApi hands out nothing that is no artifact of the run", async () => {
  await using world = await openWorld();
  const { engine, ask } = await openApi(world);
  for (const run of [RUN, OTHER]) {
    await submitted(engine, run);
    await world.transport.putBlob(run, `of-${run}`, bytes("x"));
  }
  const names = [
    "never",
    `of-${OTHER}`,
    `..%2f${OTHER}%2fof-${OTHER}`,
    "..%2f..%2fseal.key",
    "%2e%2e/%2e%2e/seal.key",
    "%2fetc%2fpasswd",
    "of%00",
  ];
  for (const name of names) {
    assert.equal((await ask("GET", `/runs/${RUN}/artifacts/${name}`)).status, 404, name);
  }
  assert.equal((await ask("GET", `/runs/${RUN}/artifacts/of-${RUN}`)).status, 200);
});

test("httpApi gives a sign of life while a run is silent", async () => {
  await using world = await openWorld();
  const { engine, ask } = await openApi(world, { heartbeatMs: 5 });
  await submitted(engine, RUN);
  const { response } = await ask("GET", `/runs/${RUN}/events`);
  const reader = response.body?.getReader();
  let text = "";
  while (!text.endsWith("\n\n\n")) {
    const { value, done } = await within(reader?.read() ?? Promise.reject(), "a sign of life");
    assert.equal(done, false);
    text += new TextDecoder().decode(value);
  }
  assert.deepEqual(linesOf(text).map(({ type }) => type), ["run"]);
  await reader?.cancel();
});

async function submitted(engine: Engine, run: string): Promise<void> {
  const resource = { id: "r", ...RESOURCE };
  await engine.submit({
    run,
    resource,
    pipeline: PIPELINE,
    operation: "create",
    timeoutMs: 60_000,
    restarts: 0,
    secrets: {},
  });
}

const linesOf = (text: string): RunEvent[] =>
  text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));

test("/swagger is a page of our own that runs nothing else and asks nobody else", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  for (const path of ["/swagger", "/swagger/", "/swagger/index.html"]) {
    const { status, response, text } = await ask("GET", path, { headers: { authorization: "" } });
    assert.equal(status, 200, path);
    assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
    const page = await text();
    const policy = response.headers.get("content-security-policy") ?? "";
    for (const tag of ["script", "style"]) {
      const [, inside = ""] = new RegExp(`<${tag}>([^]*)</${tag}>`).exec(page) ?? [];
      const hash = createHash("sha256").update(inside).digest("base64");
      assert.ok(policy.includes(`${tag}-src 'sha256-${hash}'`), `${tag} is not allowed by ${policy}`);
    }
    assert.match(policy, /^default-src 'none'/);
    assert.doesNotMatch(page, /https?:\/\/|innerHTML|src=|href=/);
    const [, script = ""] = /<script>([^]*)<\/script>/.exec(page) ?? [];
    assert.doesNotThrow(() => new Function(script));
  }
});

test("a path with a line end is no other route", async () => {
  await using world = await openWorld();
  const { ask } = await openApi(world);
  for (const path of ["/resources/a%0Db/c", "/resources/%0A", "/runs/%0D/artifacts/x", "/%0D"]) {
    const { text } = await ask("GET", path);
    assert.doesNotMatch(await text(), /Conveyor drivers: a control plane/, path);
  }
});
