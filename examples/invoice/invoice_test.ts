import assert from "node:assert/strict";
import { test } from "node:test";
import { testDriver } from "conveyor-drivers/testing";
import { invoice } from "./invoice.ts";

const lines = [{ text: "Consulting", quantity: 3, price: 80.5 }, { text: "Travel", price: 42 }];

test("invoice adds up, and keeps the invoice as an artifact", async () => {
  const { success, message, data, artifacts } = await testDriver(invoice, {
    resource: { name: "2026-11" },
    spec: { customer: "Ada", lines },
  });
  assert.deepEqual([success, message, data], [true, "283.50 EUR", { total: 283.5 }]);
  assert.equal(
    new TextDecoder().decode(artifacts["2026-11.txt"]),
    "Invoice 2026-11 for Ada\n3 x Consulting: 241.50\n1 x Travel: 42.00\nTotal: 283.50 EUR\n",
  );
});

test("invoice refuses a spec with something wrong in it, and names each place", async () => {
  const { success, reason, message } = await testDriver(invoice, {
    spec: { customer: "", currency: "euro", lines },
  });
  assert.deepEqual([success, reason], [false, "invalid-spec"]);
  assert.match(message, /^spec\.customer: .*, got ""$/m);
  assert.match(message, /^spec\.currency: expected a currency's three letters, like EUR, got "euro"$/m);
});

test("invoice tells a Conveyor server what its specs look like", () => {
  const schema = invoice.schema?.();
  assert.deepEqual(schema?.required, ["customer", "lines"]);
});
