import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { HEADER_ROOM_BYTES, MAX_MESSAGE_BYTES } from "../../backend/transport.ts";
import { jsonWith } from "../../base/compact-json.ts";
import { HEADERS } from "../../wire/headers.ts";
import { ids } from "../../wire/ids.ts";
import type { DriverResult } from "../../wire/resource.ts";
import type { OutboxMessage, Run, StepState } from "../../wire/run.ts";
import { subjects } from "../../wire/subjects.ts";
import { hostOf } from "./steps.ts";

/**
 * Builds the event that hands `step` to its driver as dispatch number `dispatch`. It is addressed to the
 * run's host if that is known (unless the step may run anywhere) and has the results of the run's earlier
 * steps in its metadata. Returns undefined if it is too large for a message. For an `always` step, the
 * largest results lose their data first, since cleanup must go on.
 */
export function stepEvent(run: Run, step: StepState, dispatch: number): OutboxMessage | undefined {
  const id = ids.event(run.id, step.id, dispatch);
  const type = run.resource.resource;
  const host = hostOf(run, step);
  const data = eventBody(run, step, id);
  return data === undefined ? undefined : {
    id,
    subject: host === undefined
      ? subjects.step(step.driver, type)
      : subjects.stepOnHost(step.driver, host, type),
    headers: { [HEADERS.claims]: "1", [HEADERS.step]: step.id },
    data,
  };
}

function eventBody(run: Run, step: StepState, id: string): string | undefined {
  const results = resultsByDriver(run);
  const most = mostEventBytes(run);
  for (;;) {
    const body = messageBody(run, id, metadataFor(run, step, results));
    if (Buffer.byteLength(body) <= most) return body;
    if (!step.always || !dropLargest(results)) return undefined;
  }
}

/**
 * Builds the event of a run without steps: for every driver that handles the type. Nobody claims it, since
 * nobody waits for the results.
 */
export function typeEvent(run: Run): OutboxMessage {
  const id = ids.event(run.id, "", 1);
  const data = messageBody(run, id, textsOf(ownMetadata(run)));
  return { id, subject: subjects.resource(run.resource.resource), headers: {}, data };
}

function messageBody(run: Run, id: string, metadata: Record<string, string>): string {
  const { spec, ...rest } = { ...run.resource, metadata };
  return JSON.stringify({
    event: run.operation,
    payload: run.specText === undefined
      ? JSON.stringify({ ...rest, spec })
      : jsonWith(rest, "spec", run.specText),
    id: createHash("sha256").update(id).digest("hex").slice(0, 24),
    run_id: run.id,
  });
}

/** The most bytes of an event's body. */
export const mostEventBytes = ({ maxMessageBytes = MAX_MESSAGE_BYTES }: Run): number =>
  maxMessageBytes - HEADER_ROOM_BYTES;

/** Results of the run's steps, by driver; if a driver ran twice, the later one. */
function resultsByDriver(run: Run): Map<string, DriverResult> {
  const results = new Map<string, DriverResult>();
  for (const { driver, result, startedAt } of run.steps) {
    if (result && startedAt !== undefined) results.set(driver, result);
  }
  return results;
}

/**
 * Converts all metadata to strings: Go drivers accept only strings, and otherwise fail after their work is
 * done.
 */
function metadataFor(run: Run, step: StepState, results: Map<string, DriverResult>): Record<string, string> {
  return {
    ...textsOf(ownMetadata(run)),
    ...resultTexts(results),
    current_pipeline_step: step.id,
    current_pipeline_run: run.id,
    current_pipeline_event: run.operation,
  };
}

/** Results in the submitted resource are those of an earlier run. */
const ownMetadata = ({ resource }: Run): [string, unknown][] =>
  Object.entries(resource.metadata ?? {}).filter(([name]) => !isResult(name));

const textsOf = (entries: readonly [string, unknown][]): Record<string, string> =>
  Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value ?? null)]),
  );

/** Returns true for a metadata key under which a driver's result stands. */
export const isResult = (name: string): boolean =>
  name === "driverresults" || name.startsWith("driverresults.");

/** Returns the results of the run's steps as they stand in a resource's metadata. */
export const resultsOf = (run: Run): Record<string, string> => resultTexts(resultsByDriver(run));

const resultTexts = (results: Map<string, DriverResult>): Record<string, string> =>
  Object.fromEntries(
    Array.from(
      results,
      ([driver, result]) => [`driverresults.${driver}`, JSON.stringify(wireResult(driver, result))],
    ),
  );

function wireResult(driver: string, { success, message, data }: DriverResult) {
  return { success, message, data: data ?? null, driver };
}

/** Removes the data of the result with the most data. Returns false if no result has any. */
function dropLargest(results: Map<string, DriverResult>): boolean {
  const sizes = Array.from(results, ([driver, { data }]) => ({
    driver,
    size: data === undefined ? 0 : JSON.stringify(data).length,
  }));
  const largest = sizes.toSorted((a, b) => b.size - a.size)[0];
  const result = largest && results.get(largest.driver);
  if (!result || largest.size === 0) return false;
  results.set(largest.driver, { success: result.success, message: result.message });
  return true;
}
