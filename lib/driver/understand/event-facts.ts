import type { Delivery } from "../../backend/transport.ts";
import { HEADERS } from "../../wire/headers.ts";
import { type DriverResult, token } from "../../wire/resource.ts";
import type { BrokenEvent, DriverEvent } from "./decode.ts";
import { earlierResults } from "./earlier-results.ts";

/** Which work an event asks for. */
export interface EventFacts {
  readonly run: string;
  /** The step's id; the driver's name where an older server does not say. */
  readonly step: string;
  /** The same for every delivery of the event, and for no other. */
  readonly id: string;
  /** The event among all that an instance has seen: a sender may not care for ids, so that two runs have the same. */
  readonly key: string;
  /** Its engine answers claims. */
  readonly hasClaims: boolean;
  /**
   * Stands for the step in message ids. A server that knows no claims may send the same step to the same driver again in
   * one run, as an event of its own.
   */
  readonly scope: string;
  /** The resource's type. */
  readonly type: string;
  /** The name of the resource's pipeline, as it stands in every line of the log. */
  readonly pipeline: string | undefined;
  /** What earlier drivers of the pipeline answered. */
  readonly results: Readonly<Record<string, DriverResult>>;
}

/** How much of a pipeline's name stands in a line of the log. */
const PIPELINE_LENGTH = 128;

/** The facts of an event that was delivered to `driver`. */
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
