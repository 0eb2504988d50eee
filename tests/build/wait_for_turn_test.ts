import assert from "node:assert/strict";
import { test } from "node:test";
import { waitForTurn } from "../../lib/build/wait-for-turn.ts";
import type { ContainerInfo, Docker } from "../../lib/docker/docker.ts";
import type { Context } from "../../lib/driver/driver.ts";
import { testSettings } from "../support/settings.ts";

const SHARE = { all: 1000, each: 100 };

/** What the turn of a container does in a host with these: `true` when it came at once, else what its log says. */
async function turnOf(
  own: string,
  containers: readonly Pick<ContainerInfo, "id" | "state" | "createdAt">[],
): Promise<{ turn: string | true; inspected: string[] }> {
  const inspected: string[] = [];
  const docker = {
    list: () =>
      Promise.resolve(containers.map(({ id, state, createdAt }) => ({
        id,
        state,
        name: id,
        labels: {},
        createdSecond: Math.floor(createdAt / 1000),
      }))),
    inspect: (id: string) => {
      inspected.push(id);
      return Promise.resolve(containers.find((one) => one.id === id));
    },
  } as unknown as Docker;
  const leaving = new AbortController();
  const said: string[] = [];
  const log = {
    line: (text: string) => {
      said.push(text);
      leaving.abort(new Error("left"));
      return Promise.resolve();
    },
  };
  const context = { docker, log, settings: testSettings({ slots: 1 }), signal: leaving.signal };
  try {
    await waitForTurn(context as unknown as Context, own, 100, SHARE);
    return { turn: true, inspected };
  } catch (error) {
    assert.equal(error, leaving.signal.reason);
    return { turn: said.join(), inspected };
  }
}

const WAITS = "Waits for a slot: all 1 are taken by builds before it";

test("waitForTurn gives the turn to who was created first, also within one second", async () => {
  const containers = [
    { id: "b", state: "created", createdAt: 10_200 },
    { id: "a", state: "created", createdAt: 10_201 },
  ] as const;
  assert.deepEqual((await turnOf("b", containers)).turn, true);
  assert.deepEqual((await turnOf("a", containers)).turn, WAITS);
});

test("waitForTurn asks about no container that was created in another second, or alone in its own", async () => {
  const containers = [
    { id: "a", state: "created", createdAt: 9_999 },
    { id: "b", state: "created", createdAt: 10_000 },
    { id: "c", state: "exited", createdAt: 11_000 },
  ] as const;
  assert.deepEqual(await turnOf("a", containers), { turn: true, inspected: [] });
  assert.deepEqual(await turnOf("b", containers), { turn: WAITS, inspected: [] });
});

test("waitForTurn waits for what runs already, even where that was created later", async () => {
  const containers = [
    { id: "a", state: "created", createdAt: 10_000 },
    { id: "b", state: "running", createdAt: 10_001 },
  ] as const;
  assert.deepEqual(await turnOf("a", containers), { turn: WAITS, inspected: [] });
});
