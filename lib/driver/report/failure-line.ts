import type { Transport } from "../../backend/transport.ts";
import type { Clock } from "../../base/clock.ts";
import { reasonOf } from "../../wire/reasons.ts";
import type { DriverResult } from "../../wire/resource.ts";
import { ids } from "../../wire/ids.ts";
import { subjects } from "../../wire/subjects.ts";
import type { Addressee } from "./addressee.ts";
import { LineTimes } from "../log/line-times.ts";
import type { LiveLines } from "../log/live-lines.ts";
import type { Driver } from "../driver.ts";

export interface LineServices {
  readonly transport: Transport;
  readonly driver: Pick<Driver, "name">;
  readonly clock: Clock;
  readonly liveLines: LiveLines;
}

/**
 * Writes a failed result to the run's log, after all other lines of the step. A Conveyor server does not show
 * results, so its users see only this line; our own engine writes such a line itself.
 */
export async function writeFailure(
  { success, message, data }: DriverResult,
  { facts, result }: Addressee,
  { transport, driver, clock, liveLines }: LineServices,
): Promise<void> {
  if (success || facts.hasClaims) return;
  const text = `Failed (${reasonOf(data)}): ${message}`.replace(/[\r\n]+/g, " ");
  // The server sorts lines by their timestamps, and the step's last line may have the same millisecond.
  const timestamp = new LineTimes().next(new Date(clock() + 1).toISOString());
  const line = JSON.stringify({
    runid: facts.run,
    driver: driver.name,
    pipeline: facts.pipeline,
    timestamp,
    message: text,
  });
  const { duplicate } = await transport.publish(subjects.logs(facts.run), line, {
    id: ids.failure(result.id),
  });
  if (!duplicate) liveLines.show(subjects.liveLogs(facts.run, driver.name), line);
}
