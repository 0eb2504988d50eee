import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "../../../lib/backend/transport.ts";
import { Retryable } from "../../../lib/base/errors.ts";
import { type Open, text, within } from "./opened.ts";

export function asking(name: string, open: Open): void {
  test(`${name}: broadcast reaches everybody who listens on the subject, until they stop`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const other = await opened.another();
    const heard: string[] = [];
    const waiting = new Map<string, () => void>();
    const hear = (who: string) => (message: Message) => {
      heard.push(`${who} ${message.subject} ${text(message)}`);
      waiting.get(`${who} ${text(message)}`)?.();
    };
    const heardBy = (...what: string[]) =>
      within(
        Promise.all(what.map((key) => {
          const { promise, resolve } = Promise.withResolvers<void>();
          waiting.set(key, resolve);
          return promise;
        })),
        `the broadcasts ${what.join(", ")}`,
      );
    const exact = await transport.listen("runs.r1.nudge", hear("exact"));
    await using _any = await other.listen("runs.*.nudge", hear("any"));
    await using _rest = await transport.listen("live.>", hear("rest"));
    const first = heardBy("exact 1", "any 1");
    await transport.broadcast("runs.r1.nudge", "1");
    await first;
    const second = heardBy("any 2", "rest 3");
    await transport.broadcast("runs.r2.nudge", new TextEncoder().encode("2"));
    await transport.broadcast("live.logs.r1.builder", "3");
    await second;
    await exact[Symbol.asyncDispose]();
    const third = heardBy("any 4");
    await transport.broadcast("runs.r1.nudge", "4");
    await third;
    assert.deepEqual(heard.sort(), [
      "any runs.r1.nudge 1",
      "any runs.r1.nudge 4",
      "any runs.r2.nudge 2",
      "exact runs.r1.nudge 1",
      "rest live.logs.r1.builder 3",
    ]);
  });

  test(`${name}: broadcast with nobody listening is no error`, async () => {
    await using opened = await open();
    await opened.transport.broadcast("runs.r1.nudge", "1");
  });

  test(`${name}: request is answered by whoever serves its subject`, async () => {
    await using opened = await open();
    const { transport } = opened;
    await using _serving = await (await opened.another()).serve(
      "runs.*.claim",
      (message) => Promise.resolve(`${message.subject}: ${text(message)}`),
    );
    const ask = async (run: string, what: string) =>
      new TextDecoder().decode(
        await transport.request(`runs.${run}.claim`, what, { timeoutMs: 10_000 }),
      );
    assert.equal(await ask("r1", "builder"), "runs.r1.claim: builder");
    assert.deepEqual(
      await Promise.all(["a", "b", "c", "d"].map((what) => ask("r2", what))),
      ["a", "b", "c", "d"].map((what) => `runs.r2.claim: ${what}`),
    );
  });

  test(`${name}: request carries bytes both ways`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const data = Uint8Array.from({ length: 256 }, (_, i) => i);
    await using _serving = await transport.serve("runs.r1.alive", (message) =>
      Promise.resolve(
        message.data.toReversed(),
      ));
    const answer = await transport.request("runs.r1.alive", data, { timeoutMs: 10_000 });
    assert.deepEqual(new Uint8Array(answer), data.toReversed());
  });

  test(`${name}: request fails at once with Retryable where nobody serves the subject, or no longer`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const ask = () => within(transport.request("runs.r1.claim", "x", { timeoutMs: 600_000 }), "the refusal");
    await assert.rejects(ask(), Retryable);
    const serving = await transport.serve("runs.*.claim", () => Promise.resolve("yes"));
    assert.equal(new TextDecoder().decode(await ask()), "yes");
    await serving[Symbol.asyncDispose]();
    await assert.rejects(ask(), Retryable);
  });

  test(`${name}: request fails with Retryable when no answer comes in time`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const { promise: never, resolve } = Promise.withResolvers<string>();
    await using _silent = await transport.serve("runs.silent.claim", () => never);
    await using _broken = await transport.serve("runs.broken.claim", () =>
      Promise.reject(
        new Error("The handler is broken"),
      ));
    for (const run of ["silent", "broken"]) {
      await assert.rejects(
        within(transport.request(`runs.${run}.claim`, "x", { timeoutMs: 100 }), "the time-out"),
        Retryable,
      );
    }
    resolve("too late");
  });

  test(`${name}: request throws the signal's reason when the signal fires`, async () => {
    await using opened = await open();
    const { transport } = opened;
    const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
    const { promise: never, resolve } = Promise.withResolvers<string>();
    await using _silent = await transport.serve("runs.r1.claim", () => {
      onAsked();
      return never;
    });
    const controller = new AbortController();
    const { signal } = controller;
    const answer = transport.request("runs.r1.claim", "x", { timeoutMs: 600_000, signal });
    const refused = assert.rejects(within(answer, "the end of the request"), /cancelled by the test/);
    await asked;
    controller.abort(new Error("cancelled by the test"));
    await refused;
    await assert.rejects(
      transport.request("runs.r1.claim", "x", { timeoutMs: 600_000, signal }),
      /cancelled by the test/,
    );
    resolve("too late");
  });
}
