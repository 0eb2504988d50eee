import type { Delivery } from "../../backend/transport.ts";
import { HEADERS } from "../../wire/headers.ts";
import { type DriverResult, token } from "../../wire/resource.ts";
import type { BrokenEvent, DriverEvent } from "./decode.ts";
import { earlierResults } from "./earlier-results.ts";

/** Identifies the work that an event asks for. */
export interface EventFacts {
  readonly run: string;
  /** The step's id; the driver's name if an older server does not send one. */
  readonly step: string;
  /** The same for every delivery of the event, different for all other events of the run. */
  readonly id: string;
  /** Unique among all events of an instance: senders may use the same event id in two runs. */
  readonly key: string;
  /** Whether its engine answers claims. */
  readonly hasClaims: boolean;
  /**
   * Identifies the step in message ids. A server without claims may send the same step to the same driver
   * twice in one run, as separate events.
   */
  readonly scope: string;
  /** The resource's type. */
  readonly type: string;
  /** The name of the resource's pipeline, written to every line of the log. */
  readonly pipeline: string | undefined;
  /** Results of the pipeline's earlier drivers. */
  readonly results: Readonly<Record<string, DriverResult>>;
}

/** The most characters of a pipeline's name in a log line. */
const PIPELINE_LENGTH = 128;

/** Returns the facts of an event that was delivered to `driver`. */
export function eventFacts(
  { id: messageId, headers, subject }: Delivery,
  event: DriverEvent | BrokenEvent,
  driver: string,
): EventFacts {
  const resource = "resource" in event ? event.resource : undefined;
  const hasClaims = headers[HEADERS.claims] === "1";
  const step = [headers[HEADERS.step], resource?.metadata?.["current_pipeline_step"]].find(isToken) ?? driver;
  const id = messageId ?? event.message ?? crypto.randomUUID();
  return {
    run: event.run,
    step,
    id,
    key: `${event.run}/${id}`,
    hasClaims,
    scope: hasClaims ? step : `${step}/${id}`,
    type: resource?.resource ?? subject.split(".").at(-1) ?? "",
    pipeline: resource?.pipeline?.slice(0, PIPELINE_LENGTH),
    results: earlierResults(resource?.metadata),
  };
}

function isToken(value: unknown): value is string {
  return token.safeParse(value).success;
}
