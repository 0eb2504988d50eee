import assert from "node:assert/strict";
import { test } from "node:test";
import type { Transport } from "../../lib/backend/transport.ts";
import { Retryable } from "../../lib/base/errors.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import type { Driver } from "../../lib/driver/driver.ts";
import { tend } from "../../lib/driver/tend.ts";
import { testSettings } from "../support/settings.ts";

/** What a driver's housekeeping hears when it asks whether a run is alive. */
async function answerTo(request: () => Promise<Uint8Array>): Promise<boolean | undefined | Error> {
  const closing = new AbortController();
  let heard: boolean | undefined | Error;
  const driver: Driver = {
    name: "test",
    resources: ["test"],
    reconcile: () => Promise.reject(new Error("No step was sent")),
    tend: async ({ isAlive }) => {
      heard = await isAlive("run").catch((error: Error) => error);
      closing.abort();
    },
  };
  await tend(driver, {
    transport: { request } as unknown as Transport,
    docker: {} as Docker,
    settings: testSettings(),
    signal: closing.signal,
  });
  return heard;
}

test("tend tells silence from a question that went wrong: only silence counts as no engine", async () => {
  const bytes = (text: string) => Promise.resolve(new TextEncoder().encode(text));
  assert.equal(await answerTo(() => bytes('{"alive":true}')), true);
  assert.equal(await answerTo(() => bytes('{"alive":false}')), false);
  const silence = new Retryable("Nobody answers", { reason: "transport-unreachable" });
  assert.equal(await answerTo(() => Promise.reject(silence)), undefined);
  for (const answer of ["", "{}", '{"alive":"no"}', "[1]"]) {
    assert.ok(await answerTo(() => bytes(answer)) instanceof Error, answer);
  }
  assert.ok(await answerTo(() => Promise.reject(new Error("The transport was disposed"))) instanceof Error);
});
