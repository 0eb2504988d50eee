import assert from "node:assert/strict";
import { test } from "node:test";
import { readTraceSettings } from "../../lib/engine/shell/traces/settings.ts";
import { startTracer } from "../../lib/engine/shell/traces/tracer.ts";
import { newRun } from "../../lib/engine/core/new-run.ts";
import { ClaimReply } from "../../lib/wire/claim.ts";
import { otlpReceiver } from "../support/otlp-receiver.ts";
import { captureLog } from "../support/process-log.ts";
import { within } from "../support/within.ts";
import { drive, OK } from "./support/drive.ts";
import { RUN, submission } from "./support/runs.ts";
import { endOf, openWorld, type World } from "./support/world.ts";

const TRACE = RUN.replaceAll("-", "");
const VERSION = { version: "1.2.3" };

/** Starts a tracer as the variables say. */
async function tracerOf(variables: Record<string, string>) {
  const settings = readTraceSettings(variables, VERSION) ?? assert.fail("No traces are asked for");
  // OpenTelemetry's packages read the process's own environment.
  Object.assign(process.env, variables);
  return await startTracer(settings).finally(() => {
    for (const name of Object.keys(variables)) delete process.env[name];
  });
}

/** Sends traces as the variables say, from an engine of the world. */
async function traced(world: World, variables: Record<string, string>) {
  const tracer = await tracerOf(variables);
  world.use(tracer);
  return { tracer, engine: await world.engine({ ...tracer, adopt: true }) };
}

for (const protocol of ["http/protobuf", "http/json"]) {
  test(`a run is one trace, with a span for each step, as ${protocol}`, async () => {
    await using receiver = await otlpReceiver();
    await using world = await openWorld();
    const parents = new Map<string, string | undefined>();
    for (const driver of ["a", "b", "c"]) {
      await drive(world, driver, ({ step, traceparent }) => {
        parents.set(step, traceparent);
        return step === "b"
          ? { success: false, message: "token=hunter2", data: { reason: "command-failed" } }
          : OK;
      });
    }
    const { tracer, engine } = await traced(world, {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=ours",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
    });
    const earlier = "99999999-2222-4333-8444-555555555555";
    const began = Date.now();
    await engine.submit({
      ...submission("a b c! d"),
      run: RUN,
      retryOf: earlier,
      secrets: { TOKEN: "hunter2" },
      resource: { id: "r", name: "one", resource: "thing", spec: { repository: "https://u:hunter2@h/r" } },
    });
    await endOf(engine, RUN);
    await tracer[Symbol.asyncDispose]();
    const spans = await receiver.received(4);
    assert.equal(spans.length, 4, "the step that never began has none");
    assert.deepEqual(new Set(spans.map(({ traceId }) => traceId)), new Set([TRACE]));
    const root = spans.find(({ name }) => name === "RUN line") ?? assert.fail("No span of the run");
    assert.equal(root.parentSpanId, "");
    assert.deepEqual(root.attributes, {
      "cicd.pipeline.name": "line",
      "cicd.pipeline.run.id": RUN,
      "cicd.pipeline.result": "failure",
      "conveyor.operation": "create",
      "conveyor.resource.name": "one",
      "conveyor.resource.type": "thing",
      "error.type": "command-failed",
    });
    assert.deepEqual(root.status, { code: 2, message: "command-failed" });
    assert.deepEqual(root.links.map(({ traceId }) => traceId), [earlier.replaceAll("-", "")]);
    assert.ok(root.start >= began && root.end >= root.start, `${root.start} to ${root.end}`);
    assert.equal(root.resource["service.name"], "flutter-ci");
    assert.equal(root.resource["service.version"], "1.2.3");
    for (const [name, result] of [["a", "success"], ["b", "failure"], ["c", "success"]]) {
      const span = spans.find((span) => span.name === name) ?? assert.fail(`No span of step ${name}`);
      assert.equal(span.parentSpanId, root.spanId);
      assert.equal(span.attributes["cicd.pipeline.task.run.result"], result);
      assert.equal(span.attributes["conveyor.attempt"], 1);
      assert.ok(span.start >= root.start && span.end <= root.end, `${span.start} to ${span.end}`);
      assert.equal(parents.get(name ?? ""), `00-${TRACE}-${span.spanId}-01`, "what the step's build is told");
    }
    const [request] = receiver.requests;
    assert.equal(request?.path, "/v1/traces");
    assert.equal(request?.headers["x-tenant"], "ours");
    for (const { body } of receiver.requests) {
      assert.doesNotMatch(new TextDecoder("latin1").decode(body), /hunter2/);
    }
  });
}

test("a run that another engine goes on with is one trace", async () => {
  await using receiver = await otlpReceiver();
  await using world = await openWorld();
  const variables = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/here` };
  const first = await traced(world, variables);
  await drive(world, "a");
  await first.engine.submit({ ...submission("a b"), run: RUN });
  for await (const event of first.engine.follow(RUN)) {
    if (event.type === "step" && event.status === "succeeded") break;
  }
  await first.engine[Symbol.asyncDispose]();
  await first.tracer[Symbol.asyncDispose]();
  const second = await traced(world, variables);
  await drive(world, "b");
  await endOf(second.engine, RUN);
  await second.tracer[Symbol.asyncDispose]();
  const spans = await receiver.received(3);
  assert.deepEqual(spans.map(({ name }) => name), ["a", "b", "RUN line"]);
  assert.deepEqual(new Set(spans.map(({ traceId }) => traceId)), new Set([TRACE]));
  assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, 3);
  assert.equal(receiver.requests[0]?.path, "/here");
});

/** An export takes longer than the tracer may at its end, which has a second for it. */
const PATIENT = { OTEL_EXPORTER_OTLP_TIMEOUT: "600000" };
const END_MS = 10_000;

for (const answer of ["never", 400] as const) {
  test(`a collector that answers ${answer} delays no run, and is told of once`, async () => {
    await using receiver = await otlpReceiver(answer);
    await using world = await openWorld();
    await using log = await captureLog();
    const { tracer, engine } = await traced(world, {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      ...PATIENT,
    });
    await drive(world, "a");
    for (let i = 0; i < 3; i++) await endOf(engine, await engine.submit(submission("a")));
    await within(tracer[Symbol.asyncDispose](), "the end of the tracer", END_MS);
    if (answer === "never") return;
    await log.line(/traces/);
    const told = log.lines.filter((line) => line.includes("traces"));
    assert.equal(told.length, 1, told.join("\n"));
    assert.match(
      told[0] ?? "",
      /Cannot send traces to http:\/\/127\.0\.0\.1:\d+: Bad Request\. Runs go on without/,
    );
  });
}

test("spans that a slow collector has no room for are told of once", async () => {
  await using receiver = await otlpReceiver("never");
  await using log = await captureLog();
  const tracer = await tracerOf({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...PATIENT });
  const run = { ...newRun(RUN, submission("a"), 1), outcome: "succeeded" as const };
  const told = () => log.lines.filter((line) => line.includes("are dropped"));
  for (let i = 0; i < 2048; i++) tracer.changed({ kind: "run-ended" }, run);
  assert.deepEqual(told(), []);
  for (let i = 0; i < 2048; i++) tracer.changed({ kind: "run-ended" }, run);
  assert.equal(told().length, 1);
  assert.match(
    told()[0] ?? "",
    /^warning: Too many spans wait for http:\/\/127\.0\.0\.1:\d+, which is slow: more than 2048 are/,
  );
  await within(tracer[Symbol.asyncDispose](), "the end of the tracer", END_MS);
});

test("a sampler leaves out runs by their ids, and says so in TRACEPARENT", async () => {
  await using receiver = await otlpReceiver();
  await using world = await openWorld();
  const parents: (string | undefined)[] = [];
  await drive(world, "a", ({ traceparent }) => {
    parents.push(traceparent);
    return OK;
  });
  const { tracer, engine } = await traced(world, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0.5",
  });
  for (let i = 0; i < 16; i++) await endOf(engine, await engine.submit(submission("a")));
  await tracer[Symbol.asyncDispose]();
  const traces = new Set(receiver.spans.map(({ traceId }) => traceId));
  assert.ok(traces.size > 0 && traces.size < 16, `${traces.size} of 16 runs have a trace`);
  for (const parent of parents) {
    const [, trace = "", , flags] = parent?.split("-") ?? [];
    assert.equal(flags, traces.has(trace) ? "01" : "00");
  }
});

test("without tracing a step gets no TRACEPARENT, and a forged one is dropped", async () => {
  await using world = await openWorld();
  const engine = await world.engine();
  const parents: unknown[] = [];
  await drive(world, "a", ({ traceparent }) => {
    parents.push(traceparent);
    return OK;
  });
  await endOf(engine, await engine.submit(submission("a")));
  assert.deepEqual(parents, [undefined]);
  assert.deepEqual(
    ClaimReply.parse({ answer: "go", attempt: 1, traceparent: "x\nLD_PRELOAD=/evil" }),
    { answer: "go", attempt: 1, traceparent: undefined },
  );
});

const URL = "http://collector:4318";

test("readTraceSettings asks for traces only where the standard variables do", () => {
  const read = (variables: Record<string, string>) => readTraceSettings(variables, VERSION);
  const on = { OTEL_EXPORTER_OTLP_ENDPOINT: URL };
  assert.equal(read({}), undefined);
  assert.equal(read({ OTEL_SERVICE_NAME: "x", OTEL_EXPORTER_OTLP_ENDPOINT: "" }), undefined);
  assert.equal(read({ ...on, OTEL_SDK_DISABLED: "TRUE" }), undefined);
  assert.equal(read({ ...on, OTEL_TRACES_EXPORTER: "none" }), undefined);
  assert.equal(read({ OTEL_TRACES_EXPORTER: "otlp" })?.endpoint, "http://localhost:4318");
  assert.deepEqual(read({ ...on, OTEL_SDK_DISABLED: "false" }), {
    protocol: "http/protobuf",
    endpoint: URL,
    serviceName: "flutter-ci",
    serviceVersion: "1.2.3",
    sampling: 1,
  });
  const own = { ...on, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json", OTEL_TRACES_SAMPLER: "always_off" };
  assert.deepEqual([read(own)?.protocol, read(own)?.sampling], ["http/json", 0]);
});

test("readTraceSettings names what it cannot use, without its credentials", async () => {
  const on = { OTEL_EXPORTER_OTLP_ENDPOINT: URL };
  const cases: [Record<string, string>, RegExp][] = [
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" },
      /OTEL_EXPORTER_OTLP_ENDPOINT is "collector:4318": expected an http/,
    ],
    [
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "ftp://u:hunter2@h" },
      /OTLP_TRACES_ENDPOINT is "ftp:\/\/…@h": expected an/,
    ],
    [
      { ...on, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
      /PROTOCOL is "grpc": expected http\/protobuf or http\/json/,
    ],
    [{ ...on, OTEL_TRACES_EXPORTER: "zipkin" }, /OTEL_TRACES_EXPORTER is "zipkin": expected otlp or none/],
    [{ ...on, OTEL_TRACES_SAMPLER: "jaeger" }, /OTEL_TRACES_SAMPLER is "jaeger": expected always_on/],
    [{ ...on, OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "2" }, /"traceidratio" with "2"/],
  ];
  for (const [variables, expected] of cases) {
    await using log = await captureLog();
    assert.equal(readTraceSettings(variables, VERSION), undefined);
    assert.match(log.lines.join("\n"), expected);
    assert.doesNotMatch(log.lines.join("\n"), /hunter2/);
  }
});
