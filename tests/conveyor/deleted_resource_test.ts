import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { Message, Transport } from "../../lib/backend/transport.ts";
import { ServerRuns } from "../../lib/driver/conveyor/server-runs.ts";
import { within } from "../support/within.ts";

const TYPE = "flutter-builder";
const RUN = "a0a0a0a0-0000-4000-8000-000000000001";
const FACTS = { type: TYPE, name: "app", id: "0011", event: "" };
const signal = new AbortController().signal;

/** A transport that hands messages to listeners, and keeps the lines of logs. */
function heardTransport(publish?: () => Promise<void>) {
  const handlers: [RegExp, (message: Message) => void][] = [];
  const lines: string[] = [];
  const transport: Partial<Transport> = {
    listen: (subject, handler) => {
      handlers.push([new RegExp(`^${subject.replaceAll(".", "\\.").replaceAll("*", "[^.]+")}$`), handler]);
      return Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() });
    },
    publish: async (_, data) => {
      await publish?.();
      lines.push(JSON.parse(String(data)).message);
      return { duplicate: false };
    },
    broadcast: () => Promise.resolve(),
    readMark: () => Promise.resolve(undefined),
    demand: (subject) => Promise.resolve(subject.includes(".nobody.") ? "none" : "open"),
  };
  const hear = (subject: string, value: object) => {
    const data = new TextEncoder().encode(JSON.stringify(value));
    for (const [filter, handler] of handlers) if (filter.test(subject)) handler({ subject, data });
  };
  return { transport: transport as Transport, lines, hear };
}

/** The container-start of a host, beside a Conveyor server whose resource was deleted. */
async function beside(
  work: (
    parts: {
      runs: ServerRuns;
      lines: string[];
      starts(driver: string): void;
      succeeds(driver: string): void;
    },
  ) => Promise<void>,
  publish?: () => Promise<void>,
): Promise<void> {
  const server = createServer((_, response) => void response.writeHead(500).end("resource app not found"));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { transport, lines, hear } = heardTransport(publish);
  try {
    await using runs = new ServerRuns({
      ...{ api, credentials: {}, driver: "container-start", resources: [TYPE], transport },
      ...{ host: "h", ackWaitMs: 1000 },
    });
    await runs.listen();
    await work({
      runs,
      lines,
      starts: (driver) => hear(`drivers.${driver}.resources.${TYPE}`, { run_id: RUN, id: "e" }),
      succeeds: (driver) =>
        hear("pipelines.driver.result", {
          run_id: RUN,
          resource: { resource: TYPE },
          driverresult: { driver, success: true, message: "", data: { host: "h" } },
        }),
    });
  } finally {
    server.close();
  }
}

test("a run that is cut off by the deletion of its resource has a line about it, once", async () => {
  await beside(async ({ runs, lines, starts, succeeds }) => {
    succeeds("container-start");
    starts("builder");
    for (let i = 0; i < 2; i++) assert.equal(await runs.askRun(RUN, FACTS, { signal }), "over");
    assert.deepEqual(lines, ['The resource "app" of this run was deleted']);
  });
});

test("a run that had succeeded when its resource was deleted has no line about it", async () => {
  await beside(async ({ runs, lines, starts, succeeds }) => {
    succeeds("container-start");
    for (const driver of ["builder", "container-stop"]) {
      starts(driver);
      succeeds(driver);
    }
    assert.equal(await runs.askRun(RUN, FACTS, { signal }), "over");
    // Nor has one that an earlier process has started: whether that had succeeded is unknown.
    assert.equal(await runs.askRun("other", FACTS, { signal }), "over");
    assert.deepEqual(lines, []);
  });
});

test("a run whose next driver was never started is over, also where its log cannot say so", async () => {
  const fails = () => Promise.reject(new Error("The broker is away"));
  await beside(async ({ runs, starts, succeeds }) => {
    succeeds("container-start");
    const news = runs.news();
    starts("nobody");
    await within(news, "the run's end");
  }, fails);
});
