import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { openNats } from "../../lib/backend/nats/transport.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { scriptedDriver } from "../engine/support/scripted-driver.ts";
import { type ControlPlane, controlPlane } from "../support/control-plane.ts";
import { startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { clientOf } from "../support/plane-client.ts";
import { until } from "../support/until.ts";
import { DIFFERENCES } from "./differences.ts";
import { EXCHANGES } from "./exchanges.ts";

const { test } = needing("broker");

const SCHEMA = '{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}';
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const PAGE = join(import.meta.dirname ?? "", "../../docs/conveyor-api.md");

interface Exchange {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly type: string | undefined;
  readonly body: string | undefined;
  readonly status: number | undefined;
  readonly answer: unknown;
}

const exchanges = EXCHANGES.trim().split("\n").map((line): Exchange => {
  const [sent = "", answered] = line.split(" => ");
  const [, name = "", method = "", path = "", type, body] =
    /^(\S+) (\S+) (\S+)(?: \(([^)]+)\))?(?: (.*))?$/.exec(sent) ?? [];
  const [, status, answer] = /^(\d+)(?: (.*))?$/.exec(answered ?? "") ?? [];
  return {
    name,
    method,
    path,
    type,
    body: body?.replaceAll("SCHEMA", SCHEMA),
    status: status === undefined ? undefined : Number(status),
    answer: answer === undefined ? undefined : JSON.parse(answer.replaceAll("SCHEMA", SCHEMA)),
  };
});

/** What the drivers of the captured pipelines answer. */
const DRIVERS: Record<string, DriverResult> = {
  "drv-noop": { success: true, message: "ok", data: { containerID: "c0ffee" } },
  "drv-log": {
    success: true,
    message: "ok",
    data: { errors: 0, lines: 5, ms: 1.568, per_s: 3188.3932283629256 },
  },
  "drv-stop": { success: true, message: "ok", data: { containerID: "c0ffee" } },
  "drv-fail": { success: false, message: "compile error: exit code 2" },
};

test("what was captured of a Conveyor server is answered alike, or differs as docs/conveyor-api.md says", async () => {
  const page = await readFile(PAGE, "utf8");
  await using broker = await startNats();
  await using plane = await controlPlane("--nats", broker.url, "--drivers", "none");
  await plane.start();
  await using parts = new AsyncDisposableStack();
  const transport = parts.use(await openNats({ servers: [broker.url] }));
  for (const [driver, result] of Object.entries(DRIVERS)) {
    const work = async ({ log }: { log(line: string): Promise<void> }) => {
      if (driver === "drv-log") { for (let i = 0; i < 5; i++) await log(`line 0000${i} of 5`); }
      return result;
    };
    parts.use(await scriptedDriver(transport, driver, work, { type: "bench-type" }));
  }
  const token = await plane.token();
  const send = clientOf(plane);
  let run = "";
  const missing = new Set(Object.keys(DIFFERENCES));
  for (const exchange of exchanges) {
    const { name } = exchange;
    const path = exchange.path.replace("{run}", run);
    const here = await exchanged(plane, { ...exchange, path, token });
    if (name.startsWith("resource-create-")) {
      const { runid } = JSON.parse(here.text);
      if (name === "resource-create-pipeline") run = runid;
      await until(async () => (await send("GET", `/runs/${runid}`)).body.endedAt !== undefined);
    }
    if (exchange.status === undefined) continue;
    const isAlike = here.status === exchange.status &&
      (exchange.answer === undefined || isSame(JSON.parse(here.text), exchange.answer));
    const difference = DIFFERENCES[name];
    const told = `${name}: ${here.status} ${here.text.slice(0, 500)}`;
    if (!difference) {
      assert.ok(isAlike, `${told}\nexpected ${exchange.status} ${JSON.stringify(exchange.answer)}`);
      continue;
    }
    missing.delete(name);
    const [status, row, answer] = difference;
    assert.ok(page.includes(`\n| ${row}`), `docs/conveyor-api.md has no row that begins with "${row}"`);
    assert.equal(here.status, status, told);
    if (answer !== undefined) assert.ok(isSame(JSON.parse(here.text), answer), told);
    assert.ok(!isAlike, `${name} is listed as a difference and is none`);
  }
  assert.deepEqual([...missing], [], "are no exchanges");
});

/** Values that vary are equal: ids, times, and the order of keys. */
function isSame(here: unknown, captured: unknown): boolean {
  try {
    assert.deepEqual(levelled(here), levelled(captured));
    return true;
  } catch {
    return false;
  }
}

function levelled(value: unknown): unknown {
  const text = JSON.stringify(value).replace(UUID, "ID");
  return JSON.parse(text, (key, inner) => {
    if (key === "time") return 0;
    if (key === "timestamp") return "";
    return key.startsWith("driverresults.") ? JSON.parse(inner) : inner;
  });
}

/** Sends what fetch would not: any method, a path as it is. Reads a stream up to its fifth event. */
function exchanged(
  plane: ControlPlane,
  { method, path, type, body, token }: Pick<Exchange, "method" | "path" | "type" | "body"> & {
    token: string;
  },
): Promise<{ status: number; text: string }> {
  const headers: Record<string, string> = { authorization: `Bearer ${token}` };
  if (type === "origin") headers["origin"] = "http://a.example";
  else if (type !== undefined && type !== "no type") headers["content-type"] = type;
  else if (type === undefined && body !== undefined) headers["content-type"] = "application/json";
  const [, name, size] = /^<(\S+) (\d+)>$/.exec(body ?? "") ?? [];
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const asked = request(`${plane.url}${path}`, { method, headers }, (answer) => {
    const status = answer.statusCode ?? 0;
    let text = "";
    answer.setEncoding("utf8");
    answer.on("data", (chunk) => {
      text += chunk;
      const isStream = answer.headers["content-type"] === "text/event-stream";
      if (!isStream || text.split("\n\n").length <= 5) return;
      resolve({
        status,
        text: JSON.stringify(
          text.split("\n\n").slice(0, 5).map((frame) => JSON.parse(frame.slice(6)).message),
        ),
      });
      asked.destroy();
    });
    answer.on("end", () => resolve({ status, text }));
  });
  asked.on("error", reject);
  asked.end(size === undefined ? body : large(name ?? "", Number(size)));
  return promise;
}

function large(name: string, bytes: number): string {
  const whole = (d: string) => JSON.stringify({ name, resource: "big", spec: { d } });
  return whole("x".repeat(bytes - whole("").length));
}
