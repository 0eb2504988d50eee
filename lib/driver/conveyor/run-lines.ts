import type { Transport } from "../../backend/transport.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { cutText } from "../../base/text.ts";
import { subjects } from "../../wire/subjects.ts";

/** The most bytes of another driver's message that are shown. */
const MAX_TEXT_BYTES = 16 * 1024;

export interface RunLinesOptions {
  /** The driver to which the lines are attributed. */
  readonly driver: string;
  readonly transport: Transport;
  readonly clock?: Clock | undefined;
}

/**
 * Writes lines about runs to their logs that do not come from a step; each line once, even if several hosts
 * write it.
 */
export class RunLines {
  readonly #options: RunLinesOptions;

  constructor(options: RunLinesOptions) {
    this.#options = options;
  }

  /** An event of the run waits for room on a host. */
  async waiting(run: string, event: string, why: string): Promise<void> {
    await this.#say(run, `waits/${event}`, why);
  }

  /** The run's next step is for a driver that has no consumer. */
  async lost(run: string, driver: string): Promise<void> {
    const why = `no driver "${driver}" has been started on this server, so its event is lost`;
    await this.#say(run, `lost/${driver}`, `The run ends here: ${why}`);
  }

  /** The run's resource does not exist any more, or is another one now. */
  async deleted(run: string, resource: string): Promise<void> {
    await this.#say(run, "deleted", `The resource "${resource}" of this run was deleted`);
  }

  /** A driver has failed that writes no such line itself. */
  async failed(run: string, driver: string, message: string): Promise<void> {
    const text = cutText(message.replace(/[\r\n]+/g, " "), MAX_TEXT_BYTES);
    await this.#say(run, `failed/${driver}`, `Step ${driver} failed: ${text}`);
  }

  async #say(run: string, what: string, message: string): Promise<void> {
    const { transport, driver, clock = systemClock } = this.#options;
    const timestamp = new Date(clock()).toISOString();
    const line = JSON.stringify({ runid: run, driver, pipeline: "", timestamp, message });
    const { duplicate } = await transport.publish(subjects.logs(run), line, { id: `${run}/${what}` });
    if (!duplicate) await transport.broadcast(subjects.liveLogs(run, driver), line);
  }
}
