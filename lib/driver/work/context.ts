import { HEADER_ROOM_BYTES, type OutgoingMessage, type Transport } from "../../backend/transport.ts";
import type { Clock } from "../../base/clock.ts";
import { InputError } from "../../base/errors.ts";
import { MAX_JSON_DEPTH, nestingOf, parseJson } from "../../base/json.ts";
import type { Faults } from "../../base/faults.ts";
import { withDeadline } from "../../base/signals.ts";
import type { Docker } from "../../docker/docker.ts";
import { MAX_PROGRESS } from "../../wire/claim.ts";
import { HEADERS } from "../../wire/headers.ts";
import { ids } from "../../wire/ids.ts";
import { signed } from "../../wire/signature.ts";
import { subjects } from "../../wire/subjects.ts";
import type { GrantedEvent } from "../claim/granted-event.ts";
import type { Context, Driver, DriverSettings } from "../driver.ts";
import type { AskRun } from "../host/run-state.ts";
import type { DriverEvent } from "../understand/decode.ts";
import type { LiveLines } from "../log/live-lines.ts";
import type { Batch } from "../log/batches.ts";
import type { Mask } from "../log/mask/mask.ts";
import { storeSingly } from "../log/single-lines.ts";
import { type OpenStepLog, openStepLog, type StepLogOptions } from "../log/step-log.ts";
import { retry } from "../../base/retry.ts";
import { KeptArtifacts } from "./kept-artifacts.ts";

/** What `openContext` needs. */
export interface ContextServices {
  readonly driver: Pick<Driver, "name">;
  readonly settings: DriverSettings;
  readonly policy: unknown;
  readonly transport: Transport;
  readonly docker: Docker;
  readonly askRun: AskRun;
  readonly clock: Clock;
  readonly liveLines: LiveLines;
  readonly faultPoint: Faults;
  /** How long `Context.cleanup` may take in addition to the grace period, milliseconds. */
  readonly cleanupMs: number;
}

/** Opens the context of a step, including its log. */
export function openContext(
  step: GrantedEvent<DriverEvent>,
  services: ContextServices,
): Context & { readonly log: OpenStepLog } {
  const { event, facts, grant, lease, mask } = step;
  const { transport, settings, cleanupMs, faultPoint } = services;
  const artifacts = new KeptArtifacts(settings);
  return {
    resource: event.resource,
    payload: event.payload,
    event: event.event,
    run: facts.run,
    step: facts.step,
    attempt: grant.attempt,
    traceparent: grant.traceparent,
    claimed: facts.hasClaims,
    deadline: lease.deadline,
    signal: lease.signal,
    log: openLog(step, services),
    docker: services.docker,
    results: facts.results,
    secrets: grant.secrets,
    settings,
    policy: services.policy,
    putArtifact: async (name, bytes, options = {}) => {
      if (mask.text(name) !== name) {
        throw new InputError("Its name has a secret in it: expected one that may be shown");
      }
      const counted = artifacts.counted(name, bytes);
      return await transport.putBlob(facts.run, name, counted, { signal: lease.signal, ...options });
    },
    cleanup: (work) => withDeadline(settings.graceMs + cleanupMs, work),
    askRun: services.askRun,
    eventId: facts.id,
    isOurs: () => lease.confirm(),
    // Kept as null where a later call had none.
    progress: parseJson(grant.progress ?? "null") ?? undefined,
    keepProgress: async (progress) => await lease.keep(progressText(progress, mask)),
    faultPoint: (point) => faultPoint(point, facts.step),
  };
}

function progressText(progress: unknown, mask: Mask): string {
  const text = JSON.stringify(progress) ?? "null";
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_PROGRESS) {
    throw new InputError(`The progress has ${bytes} bytes as JSON: expected ${MAX_PROGRESS} at most`);
  }
  if (nestingOf(text) > MAX_JSON_DEPTH) {
    throw new InputError(
      `The progress is nested ${nestingOf(text)} deep: expected ${MAX_JSON_DEPTH} at most`,
    );
  }
  if (mask.text(text) !== text) {
    throw new InputError("The progress has a secret in it: expected what may be stored");
  }
  return text;
}

/**
 * Opens the log of a step's attempt: in batches to an engine of ours, line by line to a Conveyor server.
 * Storing is retried for as long as the step may report.
 */
function openLog(step: GrantedEvent, services: ContextServices): OpenStepLog {
  const { facts, mask } = step;
  const { driver, settings, clock, transport } = services;
  return openStepLog({
    fields: { run: facts.run, driver: driver.name, step: facts.step, pipeline: facts.pipeline },
    mask,
    maxBytes: settings.maxLogBytes,
    maxLinesPerSecond: settings.maxLogLines,
    clock,
    maxMessageBytes: transport.maxMessageBytes - HEADER_ROOM_BYTES,
    store: facts.hasClaims ? inBatches(step, services) : singly(step, services),
  });
}

function inBatches(step: GrantedEvent, { transport }: ContextServices): StepLogOptions["store"] {
  const { facts: { run, step: name, scope }, grant: { attempt, key }, lease: { reportSignal: signal } } =
    step;
  const message = ({ first, lines, data }: Batch): OutgoingMessage => {
    const id = ids.logBatch(run, scope, attempt, first);
    const headers = {
      [HEADERS.step]: name,
      [HEADERS.attempt]: String(attempt),
      [HEADERS.lines]: String(lines),
    };
    const subject = subjects.logs(run);
    return { data, id, headers: key === undefined ? headers : signed(key, { subject, id, headers }, data) };
  };
  return async (batches) => {
    signal.throwIfAborted();
    await retry(() => transport.publishAll(subjects.logs(run), batches.map(message)), { signal });
  };
}

function singly(
  step: GrantedEvent,
  { driver, transport, liveLines }: ContextServices,
): StepLogOptions["store"] {
  const { facts: { run, scope }, grant: { attempt }, lease: { reportSignal: signal } } = step;
  const live = subjects.liveLogs(run, driver.name);
  return storeSingly({
    store: async (n, line) => {
      signal.throwIfAborted();
      const id = ids.logBatch(run, scope, attempt, n);
      await retry(() => transport.publish(subjects.logs(run), line, { id }), { signal });
    },
    show: (line) => liveLines.show(live, line),
  });
}
