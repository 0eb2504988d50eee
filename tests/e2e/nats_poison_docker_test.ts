import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { DEAD_STREAM } from "../../lib/backend/nats/dead.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import { broker } from "../backend/nats-broker.ts";
import { within } from "../driver/stage.ts";
import { disposable, startDriver } from "../support/fleet.ts";
import { ACK_WAIT_MS } from "../support/fleet.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker", "broker");

const TYPE = "flutter-builder";
const resource = (fields: object = {}) => ({
  id: "r",
  name: "app",
  pipeline: "p",
  resource: TYPE,
  metadata: {},
  spec: { repository: "https://git.example.org/app.git" },
  ...fields,
});
const event = (run: unknown, payload: unknown = resource(), fields: object = {}) =>
  JSON.stringify({ event: "create", id: "1", run_id: run, payload: JSON.stringify(payload), ...fields });
const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

/** Events of which nothing can be known: nobody waits for a result. */
const UNKNOWN: Record<string, string | Uint8Array> = {
  "no JSON": "not JSON {",
  "no text": new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]),
  "nothing": "",
  "no object": "[1,2,3]",
  "no run": JSON.stringify({ event: "create", payload: JSON.stringify(resource()) }),
  "no UUID as run": event("run-1"),
  "a number as run": event(7),
  "deep nesting": nested(100_000),
};

/** Events of a run that can never be handled: each becomes a failed result. */
const KNOWN: Record<string, (run: string) => string> = {
  "another type": (run) => event(run, resource({ resource: "something-else" })),
  "a type that is no subject token": (run) => event(run, resource({ resource: "a.b *" })),
  "a payload that is no JSON": (run) => event(run, undefined, { payload: "{" }),
  "a payload of a wrong shape": (run) => event(run, ["no", "resource"]),
  "a payload with deep nesting": (run) => event(run, undefined, { payload: nested(10_000) }),
  "no operation": (run) => event(run, undefined, { event: 5 }),
  "900 KB": (run) => event(run, resource({ spec: { repository: "x".repeat(900_000) } })),
};

test("a driver outlives what cannot be understood: a copy is kept, the run gets a failed result, nothing comes again", async () => {
  await using nats = await broker();
  await using driver = disposable(
    startDriver("builder", ["--nats", nats.server.url, "--ack-wait", `${ACK_WAIT_MS}ms`]),
  );
  await driver.said(" takes events of ");
  const transport = await nats.open();
  const subject = subjects.step("builder", TYPE);
  const go = JSON.stringify({ answer: "go", attempt: 1 });
  await using _claims = await transport.serve(subjects.claims, () => Promise.resolve(go));
  const options = { headers: { [HEADERS.claims]: "1", [HEADERS.step]: "builder" } };
  for (const data of Object.values(UNKNOWN)) await transport.publish(subject, data, options);
  const runs = new Map<string, string>();
  for (const [what, make] of Object.entries(KNOWN)) {
    const run = randomUUID();
    runs.set(run, what);
    await transport.publish(subject, make(run), options);
  }
  // Understood, as far as such keys mean anything; its run has no container here.
  const last = randomUUID();
  const polluted = event(last).replace('{"event"', '{"__proto__":{"polluted":true},"event"')
    .replace('\\"spec\\":{', '\\"__proto__\\":{\\"polluted\\":true},\\"spec\\":{');
  await transport.publish(subject, polluted, options);

  const stopping = new AbortController();
  const results = transport.consume({
    stream: "pipeline-engine",
    name: "test",
    filters: [subjects.pipelines],
    ackWaitMs: 30_000,
  }, { signal: stopping.signal });
  const reasons = new Map<string, string>();
  const taking = (async () => {
    for await (const delivery of results) {
      const { run_id: run, driverresult } = JSON.parse(new TextDecoder().decode(delivery.data));
      assert.equal(driverresult.success, false);
      assert.equal(reasons.has(run), false, `a second result for ${runs.get(run)}`);
      reasons.set(run, driverresult.data.reason);
      await delivery.ack();
      if (reasons.size === runs.size + 1) return;
    }
  })();
  await within(taking, "all results");
  assert.equal(reasons.get(last), "container-lost");
  for (const [run, what] of runs) assert.equal(reasons.get(run), "invalid-event", what);

  const { state } = await nats.manager.streams.info(DEAD_STREAM);
  assert.equal(state.messages, Object.keys({ ...UNKNOWN, ...KNOWN }).length);
  driver.kill("SIGTERM");
  assert.equal((await driver.ended).code, 0);
  const consumer = await nats.manager.consumers.info("messages", "builder");
  assert.deepEqual(
    [consumer.num_pending, consumer.num_ack_pending, consumer.num_redelivered],
    [0, 0, 0],
  );
});
