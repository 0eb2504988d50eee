import assert from "node:assert/strict";
import { test } from "node:test";
import { UnavailableError } from "../../lib/base/errors.ts";
import { checkRuntime } from "../../lib/driver/program/command-line/runtime-version.ts";

test("checkRuntime refuses a runtime that is too old, and says which one is needed", () => {
  for (const old of [{ bun: "1.3.10" }, { bun: "0.9.9" }, { deno: "2.8.5" }, { deno: "1.46.3" }]) {
    assert.throws(() => checkRuntime(old), (error: unknown) => {
      assert.ok(error instanceof UnavailableError);
      assert.match(error.message, /^Cannot run on (?:bun|deno) \d.*: expected \d\.\d\.0 or newer$/);
      return true;
    });
  }
});

test("checkRuntime takes newer ones by their numbers, and this one", () => {
  checkRuntime({ bun: "1.10.0" });
  checkRuntime({ bun: "2.0.0-canary.3+abc" });
  checkRuntime({ deno: "2.9.6" });
  checkRuntime({ deno: "10.0.0" });
  checkRuntime(process.versions);
});
