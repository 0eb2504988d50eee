import type { Delivery } from "../../backend/transport.ts";
import { HEADERS } from "../../wire/headers.ts";
import { token } from "../../wire/resource.ts";
import type { BrokenEvent, DriverEvent } from "./decode.ts";

/** Which work an event asks for. */
export interface EventFacts {
  readonly run: string;
  /** The step's id; the driver's name where an older server does not say. */
  readonly step: string;
  /** The same for every delivery of the event, and for no other. */
  readonly id: string;
  /** Its engine answers claims. */
  readonly hasClaims: boolean;
  /**
   * Stands for the step in message ids. A server that knows no claims may send the same step to the same driver again in
   * one run, as an event of its own.
   */
  readonly scope: string;
}

/** The facts of an event that was delivered to `driver`. */
export function eventFacts(
  delivery: Delivery,
  event: DriverEvent | BrokenEvent,
  driver: string,
): EventFacts {
  const { headers } = delivery;
  const hasClaims = headers[HEADERS.claims] === "1";
  const metadata = "resource" in event ? event.resource.metadata : undefined;
  const step = [headers[HEADERS.step], metadata?.["current_pipeline_step"]].find(isToken) ?? driver;
  const id = delivery.id ?? event.message ?? crypto.randomUUID();
  return { run: event.run, step, id, hasClaims, scope: hasClaims ? step : `${step}/${id}` };
}

function isToken(value: unknown): value is string {
  return token.safeParse(value).success;
}
