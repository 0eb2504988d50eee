import { withDeadline } from "../base/signals.ts";
import { HEADERS } from "../wire/headers.ts";
import { ids } from "../wire/ids.ts";
import { subjects } from "../wire/subjects.ts";
import type { Context } from "./driver.ts";
import { earlierResults } from "./earlier-results.ts";
import { type OpenStepLog, openStepLog } from "./log/step-log.ts";
import type { HandleParts } from "./parts.ts";
import { persist } from "./retry.ts";
import type { GrantedStep } from "./work.ts";

/** How much of a pipeline's name stands in every line of the log. */
const PIPELINE_LENGTH = 128;

/** Everything that the driver gets to see of a step. */
export function contextOf(step: GrantedStep, log: OpenStepLog, parts: HandleParts): Context {
  const { event, facts, grant, lease } = step;
  const { transport, docker, settings, cleanupMs, reach } = parts;
  return {
    resource: event.resource,
    payload: event.payload,
    event: event.event,
    run: facts.run,
    step: facts.step,
    attempt: grant.attempt,
    claimed: grant.renew !== undefined,
    deadline: lease.deadline,
    signal: lease.signal,
    log,
    docker,
    results: earlierResults(event.resource.metadata),
    secrets: grant.secrets,
    settings,
    putArtifact: (name, bytes) => transport.putBlob(facts.run, name, bytes, { signal: lease.signal }),
    cleanup: (work) => withDeadline(settings.graceMs + cleanupMs, work),
    reach: (point) => reach(point, facts.step),
  };
}

/** The log of a step's attempt. A batch that cannot be stored is tried again as long as the step may report at all. */
export function logOf({ event, facts, grant, lease, mask }: GrantedStep, parts: HandleParts): OpenStepLog {
  const { driver, transport, settings, clock } = parts;
  const { run, step, scope } = facts;
  const pipeline = event.resource.pipeline?.slice(0, PIPELINE_LENGTH);
  return openStepLog({
    fields: { run, driver: driver.name, step, pipeline },
    mask,
    maxBytes: settings.maxLogBytes,
    clock,
    store: async ({ first, lines, data }) => {
      lease.reportSignal.throwIfAborted();
      const id = ids.logBatch(run, scope, grant.attempt, first);
      const headers = {
        [HEADERS.step]: step,
        [HEADERS.attempt]: String(grant.attempt),
        [HEADERS.lines]: String(lines),
      };
      const publish = () => transport.publish(subjects.logs(run), data, { id, headers });
      await persist(publish, { signal: lease.reportSignal });
    },
  });
}
