import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { decodeEvent } from "../../../lib/driver/understand/decode.ts";
import { type Choose, chooseFrom, chooser, damaged } from "../../../tests/support/chooser.ts";

const RUN = "fbab31f6-a278-4a8f-96be-ac49b007ca65";
const KEYS = [
  "event",
  "payload",
  "id",
  "run_id",
  "resource",
  "metadata",
  "spec",
  "name",
  "__proto__",
  "constructor",
  "a",
];
const TEXTS = ["create", RUN, "flutter-builder", "", "\0", "ü😀", "\ud800", "x".repeat(5000), "{}", "[[[["];

/**
 * Reads events of random bytes. Each must be understood or refused with a reason, without a throw or a change
 * of what all objects inherit.
 */
export function fuzzEvent(seed: number): void {
  const choose = chooser(seed);
  const resource = {
    id: "1",
    name: "app",
    resource: "flutter-builder",
    metadata: { version: "1" },
    spec: { env: [] },
  };
  const payload = choose(2) === 0 ? someValue(choose, 4) : resource;
  const message = {
    event: "create",
    payload: choose(3) === 0 ? payload : JSON.stringify(payload),
    id: "5f2b9c0a1d3e4f5a6b7c8d9e",
    run_id: RUN,
    ...choose(3) === 0 && { [chooseFrom(choose, KEYS)]: someValue(choose, 3) },
  };
  const bytes = Buffer.from(JSON.stringify(choose(8) === 0 ? someValue(choose, 5) : message));
  const decoded = decodeEvent(choose(3) === 0 ? damaged(bytes, choose) : bytes, ["flutter-builder"]);
  if ("problem" in decoded) assert.ok(decoded.problem.length > 0 && decoded.problem.length < 20_000);
  else assert.equal(typeof decoded.resource.name, "string");
  assert.equal(Object.keys(Object.prototype).length, 0);
}

function someValue(choose: Choose, depth: number): unknown {
  switch (choose(depth > 0 ? 8 : 5)) {
    case 0:
      return null;
    case 1:
      return choose(2) === 0;
    case 2:
      return chooseFrom(choose, [0, -1, 1e308, 1e21, 0.1]);
    case 3:
    case 4:
      return chooseFrom(choose, TEXTS);
    case 5:
      return Array.from({ length: choose(4) }, () => someValue(choose, depth - 1));
    default:
      return JSON.parse(
        `{${
          Array.from({ length: choose(4) }, () =>
            `${JSON.stringify(chooseFrom(choose, KEYS))}:${
              JSON.stringify(someValue(choose, depth - 1)) ?? "null"
            }`)
            .join(",")
        }}`,
      );
  }
}
