import { HEADER_ROOM_BYTES, type OutgoingMessage } from "../../backend/transport.ts";
import { InputError } from "../../base/errors.ts";
import { withDeadline } from "../../base/signals.ts";
import { HEADERS } from "../../wire/headers.ts";
import { ids } from "../../wire/ids.ts";
import { signed } from "../../wire/signature.ts";
import { subjects } from "../../wire/subjects.ts";
import { pipelineName } from "../understand/addressee.ts";
import type { Context } from "../driver.ts";
import { earlierResults } from "../understand/earlier-results.ts";
import type { Batch } from "../log/batches.ts";
import { storeSingly } from "../log/single-lines.ts";
import { type OpenStepLog, openStepLog, type StepLogOptions } from "../log/step-log.ts";
import type { HandleParts } from "../parts.ts";
import { persist } from "../../base/retry.ts";
import type { GrantedStep } from "./granted-step.ts";

/** Everything that the driver gets to see of a step. */
export function contextOf(step: GrantedStep, log: OpenStepLog, parts: HandleParts): Context {
  const { event, facts, grant, lease, mask } = step;
  const { transport, docker, settings, cleanupMs, faultPoint } = parts;
  return {
    resource: event.resource,
    payload: event.payload,
    event: event.event,
    run: facts.run,
    step: facts.step,
    attempt: grant.attempt,
    claimed: facts.hasClaims,
    deadline: lease.deadline,
    signal: lease.signal,
    log,
    docker,
    results: earlierResults(event.resource.metadata),
    secrets: grant.secrets,
    settings,
    putArtifact: async (name, bytes, options = {}) => {
      if (mask.text(name) !== name) {
        throw new InputError("Its name has a secret in it: expected one that may be shown");
      }
      return await transport.putBlob(facts.run, name, bytes, { ...options, signal: lease.signal });
    },
    cleanup: (work) => withDeadline(settings.graceMs + cleanupMs, work),
    askRun: parts.askRun,
    eventId: facts.id,
    isOurs: () => lease.confirm(),
    faultPoint: (point) => faultPoint(point, facts.step),
  };
}

/**
 * The log of a step's attempt: in batches to an engine of ours, line by line to a Conveyor server. What cannot be stored is
 * tried again as long as the step may report at all.
 */
export function logOf(step: GrantedStep, parts: HandleParts): OpenStepLog {
  const { event, facts, mask } = step;
  const { driver, settings, clock, transport } = parts;
  const pipeline = pipelineName(event.resource);
  return openStepLog({
    fields: { run: facts.run, driver: driver.name, step: facts.step, pipeline },
    mask,
    maxBytes: settings.maxLogBytes,
    maxLinesPerSecond: settings.maxLogLines,
    clock,
    maxMessageBytes: transport.maxMessageBytes - HEADER_ROOM_BYTES,
    store: facts.hasClaims ? inBatches(step, parts) : singly(step, parts),
  });
}

function inBatches(step: GrantedStep, { transport }: HandleParts): StepLogOptions["store"] {
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
    await persist(() => transport.publishAll(subjects.logs(run), batches.map(message)), { signal });
  };
}

function singly(step: GrantedStep, { driver, transport, liveLines }: HandleParts): StepLogOptions["store"] {
  const { facts: { run, scope }, grant: { attempt }, lease: { reportSignal: signal } } = step;
  const live = subjects.liveLogs(run, driver.name);
  return storeSingly({
    store: async (n, line) => {
      signal.throwIfAborted();
      const id = ids.logBatch(run, scope, attempt, n);
      await persist(() => transport.publish(subjects.logs(run), line, { id }), { signal });
    },
    show: (line) => liveLines.show(live, line),
  });
}
