import { backOff } from "../../base/retry.ts";
import { messageOf } from "../../base/errors.ts";
import type { FaultPoint } from "../../base/faults.ts";
import { processLog } from "../../base/log.ts";
import { ConflictError, type Store } from "../../backend/store.ts";
import type { Delivery, Transport } from "../../backend/transport.ts";
import { HEADERS } from "../../wire/headers.ts";
import { isRunId } from "../../wire/ids.ts";
import { describeIssues } from "../../wire/issues.ts";
import { PipelineEvent } from "../../wire/messages.ts";
import { consumers, subjects } from "../../wire/subjects.ts";
import { decide, type Input } from "../core/decide.ts";
import { initiatedRun } from "../core/new-run.ts";
import type { Records } from "./records.ts";
import type { RunClocks } from "./run-clocks.ts";
import type { Signatures } from "./signatures.ts";
import { MAX_MESSAGE_DEPTH, parseJson } from "../../base/json.ts";

export interface ResultsOptions {
  readonly transport: Transport;
  readonly store: Store;
  readonly records: Records;
  readonly signatures: Signatures;
  readonly clocks: RunClocks;
  readonly ackWaitMs: number;
  readonly faultPoint: (point: FaultPoint, step?: string) => void;
}

/** Maximum number of results handled at the same time. Results of one run are handled one after another. */
const AT_ONCE = 16;
const LONGEST_DELAY_MS = 30_000;

/**
 * Consumes results, and run requests from a Conveyor server, until `signal` fires and the current ones are
 * handled. Calls `isWell` whenever the transport has shown that it delivers. Throws what the transport
 * throws.
 */
export async function consumeResults(
  options: ResultsOptions,
  { signal, isWell = () => {} }: { signal: AbortSignal; isWell?: () => void },
): Promise<void> {
  const { transport, ackWaitMs } = options;
  const spec = {
    stream: "pipeline-engine",
    name: consumers.engine,
    filters: [subjects.pipelines],
    ackWaitMs,
  } as const;
  const inHand = new Set<Promise<void>>();
  try {
    await transport.ensureConsumer(spec);
    isWell();
    for await (const delivery of transport.consume(spec, { signal })) {
      isWell();
      const handled = settle(options, delivery).finally(() => inHand.delete(handled));
      inHand.add(handled);
      if (inHand.size >= AT_ONCE) await Promise.race(inHand);
    }
  } finally {
    await Promise.all(inHand);
  }
}

/** Acks once the record is stored and its outbox is published. A crash before that repeats both. */
async function settle(options: ResultsOptions, delivery: Delivery): Promise<void> {
  try {
    const refused = await handle(options, delivery);
    if (refused !== undefined) {
      processLog("engine").warn("Refused a message on {subject}: {why}", {
        subject: delivery.subject,
        why: refused,
      });
      return await delivery.term(refused);
    }
    options.faultPoint("result-handled", delivery.headers[HEADERS.step]);
    await delivery.ack();
  } catch (error) {
    const { id, deliveries } = delivery;
    processLog("engine").warn("Cannot handle {id}, will try again: {error}", { id, error: messageOf(error) });
    await delivery.nak(backOff(deliveries, 100, LONGEST_DELAY_MS)).catch(() => {});
  }
}

/** Handles the message. Returns why it can never be handled, or undefined if it was. */
async function handle(options: ResultsOptions, delivery: Delivery): Promise<string | undefined> {
  const event = parse(delivery.data);
  if (typeof event === "string") return event;
  const id = event.run_id;
  if (!isRunId(id)) return `Invalid run id ${JSON.stringify(id.slice(0, 100))}: expected a UUID`;
  switch (delivery.subject) {
    case subjects.pipelineInit:
      return await handleInit(options, event);
    case subjects.result:
      return await handleResult(options, event, delivery);
    default:
      return `Unknown subject "${delivery.subject}"`;
  }
}

async function handleInit({ transport, store, records, clocks }: ResultsOptions, event: PipelineEvent) {
  const name = event.resource.pipeline ?? "";
  const pipeline = await store.pipelines.get(name);
  if (!pipeline) return `Unknown pipeline "${name}" of resource "${event.resource.name}"`;
  const run = initiatedRun(event, pipeline.value, clocks.wall(), transport.maxMessageBytes);
  if (typeof run === "string") return run;
  // On a redelivery the run exists already, but its outbox may not have been published.
  const created = await records.create(run).catch(async (error) => {
    if (error instanceof ConflictError) return await records.change(run.id, (stored) => stored);
    throw error;
  });
  if (created?.unpublished !== undefined) throw created.unpublished;
  return undefined;
}

async function handleResult(
  { records, clocks, signatures }: ResultsOptions,
  event: PipelineEvent,
  delivery: Delivery,
): Promise<string | undefined> {
  const input = resultOf(event, delivery.headers);
  let refused: string | undefined;
  const changed = await records.change(event.run_id, (run) => {
    refused = signatures.whyNotResult(run, event.driverresult.driver, delivery);
    return refused === undefined ? decide(run, input, clocks.now(run)) : run;
  });
  if (refused !== undefined) return refused;
  if (changed?.unpublished !== undefined) throw changed.unpublished;
  return changed ? undefined : `Unknown run "${event.run_id}"`;
}

/** Returns the result as an input. Drivers that send no headers echo their metadata, which names the step. */
function resultOf({ resource, driverresult }: PipelineEvent, headers: Delivery["headers"]): Input {
  const { driver, success, message, data } = driverresult;
  const step = headers[HEADERS.step] ?? resource.metadata?.["current_pipeline_step"];
  const attempt = Number(headers[HEADERS.attempt]);
  return {
    kind: "result",
    driver,
    ...(typeof step === "string" ? { step } : {}),
    ...(Number.isInteger(attempt) ? { attempt } : {}),
    result: { success, message, ...(data === undefined || data === null ? {} : { data }) },
  };
}

function parse(data: Uint8Array): PipelineEvent | string {
  try {
    const input = parseJson(new TextDecoder().decode(data), { maxDepth: MAX_MESSAGE_DEPTH });
    const parsed = PipelineEvent.safeParse(input);
    return parsed.success ? parsed.data : describeIssues(parsed.error, input, "message");
  } catch (error) {
    return `Cannot read the message: ${messageOf(error)}`;
  }
}
