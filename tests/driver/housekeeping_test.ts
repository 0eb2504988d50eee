import assert from "node:assert/strict";
import { test } from "node:test";
import type { Transport } from "../../lib/backend/transport.ts";
import { Retryable } from "../../lib/base/errors.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import type { Driver } from "../../lib/driver/driver.ts";
import { askEngine, type RunState } from "../../lib/driver/host/run-state.ts";
import { keepHouse } from "../../lib/driver/host/housekeeping.ts";
import { testSettings } from "../support/settings.ts";

const FACTS = { type: "", name: "", id: "", event: "" };

/** What the driver "test" hears of a run when it asks the engine. */
async function answerTo(request: () => Promise<Uint8Array>): Promise<RunState | undefined | Error> {
  const { signal } = new AbortController();
  const ask = askEngine({ request } as unknown as Transport, "test");
  return await ask("run", FACTS, { signal }).catch((error: Error) => error);
}

test("askEngine tells silence from a question that went wrong: only silence counts as no engine", async () => {
  const bytes = (text: string) => Promise.resolve(new TextEncoder().encode(text));
  assert.equal(await answerTo(() => bytes('{"alive":true}')), "works");
  assert.equal(await answerTo(() => bytes('{"alive":true,"waitsFor":"another"}')), "works");
  assert.equal(await answerTo(() => bytes('{"alive":true,"waitsFor":"test"}')), "waits");
  assert.equal(await answerTo(() => bytes('{"alive":false}')), "over");
  const silence = new Retryable("Nobody answers", { reason: "transport-unreachable" });
  assert.equal(await answerTo(() => Promise.reject(silence)), undefined);
  for (const answer of ["", "{}", '{"alive":"no"}', "[1]"]) {
    assert.ok(await answerTo(() => bytes(answer)) instanceof Error, answer);
  }
  assert.ok(await answerTo(() => Promise.reject(new Error("The transport was disposed"))) instanceof Error);
});

test("keepHouse looks at once, then when there is news or its time has come, also where a look failed", async () => {
  const looks = async (given: Partial<Parameters<typeof keepHouse>[1]>) => {
    const closing = new AbortController();
    let count = 0;
    const driver: Driver = {
      name: "test",
      resources: ["test"],
      reconcile: () => Promise.reject(new Error("No step was sent")),
      housekeep: () => {
        if (++count === 3) closing.abort(new Error("enough"));
        return Promise.reject(new Error("Docker is away"));
      },
    };
    const askRun = () => Promise.resolve(undefined);
    const host = { docker: {} as Docker, settings: testSettings(), askRun, signal: closing.signal };
    await keepHouse(driver, { ...host, ...given });
    return count;
  };
  assert.equal(await looks({ everyMs: 3_600_000, news: () => Promise.resolve() }), 3);
  assert.equal(await looks({ everyMs: 1 }), 3);
});
