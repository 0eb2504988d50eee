import { randomUUID } from "node:crypto";
import { InputError } from "../../base/errors.ts";
import { noFaults } from "../../base/faults.ts";
import { keepGoing, Troubles } from "../../base/keep-going.ts";
import { ConflictError, type ResourceChanges } from "../../backend/store.ts";
import type { Run } from "../../wire/run.ts";
import { Scheduler } from "./scheduler.ts";
import { consumeResults } from "./consume-results.ts";
import { decide } from "../core/decide.ts";
import type { Submission } from "../core/submission.ts";
import type { Engine, EngineOptions } from "./engine.ts";
import { follow } from "./follow.ts";
import { logChange } from "./log-changes.ts";
import { newRun } from "../core/new-run.ts";
import { retry } from "../../base/retry.ts";
import { RunClocks } from "./run-clocks.ts";
import { Records } from "./records.ts";
import { Vault } from "./secrets.ts";
import { serveAlive } from "./serve-alive.ts";
import { type Question, serveClaims } from "./serve-claims.ts";
import { Signatures } from "./signatures.ts";
import { addDriverLines, addSystemLine } from "./system-line.ts";
import { openStep } from "../core/steps.ts";
import { whyUnclaimed } from "./unclaimed.ts";
import { checkSubmission } from "../core/validate.ts";

const ACK_WAIT_MS = 30_000;

/** Starts an engine. Resolves once it answers claims. Throws Retryable if the transport cannot be reached. */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const parts = partsOf(options);
  const { records, scheduler, troubles, signal } = parts;
  await using opening = new AsyncDisposableStack();
  opening.use(scheduler);
  opening.use(await serveClaims({ ...parts, time: (run) => scheduler.time(run) }, parts.asked));
  opening.use(await serveAlive(parts));
  const consuming = keepGoing((isWell) => consumeResults(parts, { signal, isWell }), {
    part: "Taking results",
    category: "engine",
    troubles,
    signal,
  });
  opening.defer(() => consuming);
  opening.defer(() => parts.close());
  const open = opening.move();
  return engineOf(parts, async () => {
    await open.disposeAsync();
    await records.idle();
  });
}

/** Makes the parts of an engine; nothing of them runs yet. */
function partsOf(options: EngineOptions) {
  const { transport, store, sealKey, ackWaitMs = ACK_WAIT_MS, faultPoint = noFaults } = options;
  const { adopt = false, maxQueuedMs = Infinity } = options;
  const closing = new AbortController();
  const clocks = new RunClocks(options);
  const vault = new Vault(store, sealKey);
  const asked = new Map<string, Question>();
  const signatures = new Signatures(options);
  const records = new Records({
    isForeign: (driver) => signatures.isForeign(driver),
    transport,
    store,
    publishRun: options.publishRun,
    clocks,
    ackWaitMs,
    faultPoint,
    seen: (run) => scheduler.seen(run),
    changed: (change, run) => {
      logChange(change, run);
      options.changed?.(change, run);
    },
    ended: (run) => {
      asked.delete(run);
      clocks.forget(run);
      return vault.forget(run);
    },
  });
  const troubles = new Troubles();
  const parts = { transport, store, records, vault, signatures, clocks, ackWaitMs, faultPoint, troubles };
  const { traceparent } = options;
  const scheduler = new Scheduler({ ...parts, maxQueuedMs, adopt });
  return { ...parts, scheduler, asked, traceparent, signal: closing.signal, close: () => closing.abort() };
}

/** Returns what is asked of an engine, by its parts. */
function engineOf(parts: ReturnType<typeof partsOf>, dispose: () => Promise<void>): Engine {
  const { transport, store, records, vault, clocks, scheduler, troubles, signal: closing } = parts;
  const change = async (id: string, next: (run: Run) => Run): Promise<void> => {
    if (!await records.change(id, next)) throw new InputError(`Unknown run "${id}"`);
  };
  return {
    async submit(submission: Submission, changes?: ResourceChanges) {
      checkSubmission(submission, transport.maxMessageBytes);
      const { run = randomUUID(), secrets } = submission;
      const exists = () => new ConflictError(`A run "${run}" exists already`);
      // Its secrets must not be replaced.
      if (Object.keys(secrets).length > 0 && await store.runs.get(run)) throw exists();
      await vault.keep(run, secrets);
      const record = newRun(run, submission, clocks.wall(), transport.maxMessageBytes);
      await records.create(record, changes).catch((error) => {
        throw error instanceof ConflictError && !changes ? exists() : error;
      });
      return run;
    },

    addLines: (run, lines) => addDriverLines(parts, run, { ...lines, now: clocks.now(run) }),

    stop: (id, why) => change(id, (run) => decide(run, { kind: "stop", ...why }, clocks.now(run))),

    async abandon(id, message) {
      const found = await store.runs.get(id);
      if (!found) throw new InputError(`Unknown run "${id}"`);
      if (found.value.outcome !== undefined) return;
      // Add the line before the record is changed: followers stop at the run's end.
      const now = clocks.now(found.value);
      await retry(() => addSystemLine(parts, found.value, { what: "abandoned", message, now }));
      await change(id, (run) => decide(run, { kind: "abandoned", message }, clocks.now(run)));
    },

    follow: (id, { logs = true, signal } = {}) =>
      follow(store, id, { logs, signal: AbortSignal.any([closing, ...(signal ? [signal] : [])]) }),

    async whyWaiting(run) {
      const step = openStep(run);
      return step?.status === "dispatched" ? await whyUnclaimed(transport, run, step) : undefined;
    },

    heed: (id) => records.heed(id),

    openRuns: (submitter) => scheduler.openRuns(submitter),

    get troubles() {
      return troubles.parts;
    },

    [Symbol.asyncDispose]: dispose,
  };
}
