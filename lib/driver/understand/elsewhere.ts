import { token } from "../../wire/resource.ts";
import { subjects } from "../../wire/subjects.ts";
import type { EventInHand } from "./event-in-hand.ts";

/**
 * Returns the host on which the event's run lives, or undefined if that is `here` or unknown. An earlier step
 * of this run names it in its result (`data.host`, with `data.run` to exclude results of earlier runs). An
 * event that was addressed to this host stays here.
 */
export function elsewhere(
  { delivery, facts: { run, type, results } }: EventInHand,
  driver: string,
  here: string,
): string | undefined {
  if (delivery.subject === subjects.stepOnHost(driver, here, type)) return undefined;
  for (const { data } of Object.values(results)) {
    if (typeof data !== "object" || data === null || !("host" in data) || !("run" in data)) continue;
    const host = token.safeParse(data.host);
    if (host.success && data.run === run) return host.data === here ? undefined : host.data;
  }
  return undefined;
}
