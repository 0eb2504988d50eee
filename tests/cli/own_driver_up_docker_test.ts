import assert from "node:assert/strict";
import { join } from "node:path";
import { controlPlane } from "../support/control-plane.ts";
import { needing } from "../support/needs.ts";
import { root } from "./start-program.ts";

const { test } = needing("Docker");

const INVOICE = join(root, "examples/invoice/invoice.ts");

test("up --driver serves a driver of one's own without a broker, and says which step nobody serves", async () => {
  await using plane = await controlPlane("--drivers", "none", "--driver", INVOICE);
  const up = await plane.start();
  assert.match(up.output(), /drivers: invoice/);
  const headers = { authorization: `Bearer ${await plane.token()}`, "content-type": "application/json" };
  const run = crypto.randomUUID();
  const step = (driver: string) => ({ id: driver, name: driver, driver });
  const answer = await fetch(`${plane.url}/runs`, {
    method: "POST",
    headers,
    body: JSON.stringify({
      run,
      resource: {
        name: "2026-11",
        resource: "invoice",
        spec: { customer: "Ada", lines: [{ text: "Travel", price: 42 }] },
      },
      pipeline: { name: "invoices", resource: "invoice", steps: [step("invoice"), step("postman")] },
    }),
  });
  assert.equal(answer.status, 201, await answer.text());
  await up.said('Waiting for driver "postman": no instance takes events');
  const cancelled = await fetch(`${plane.url}/runs/${run}/cancel`, { method: "POST", headers, body: "{}" });
  assert.ok(cancelled.ok, await cancelled.text());
  const events = (await (await fetch(`${plane.url}/runs/${run}/events`, { headers })).text())
    .trim().split("\n").map((line) => JSON.parse(line));
  const ended = events.find(({ type, step, status }) =>
    type === "step" && step === "invoice" && status !== "started"
  );
  assert.deepEqual([ended.status, ended.result.message], ["succeeded", "42.00 EUR"]);
  const lines = events.filter(({ type }) => type === "log").map(({ message }) => message);
  assert.ok(lines.includes('Waiting for driver "postman": no instance takes events'), lines.join("\n"));
});
