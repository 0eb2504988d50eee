import type { Message, Transport } from "../../backend/transport.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { delay } from "../../base/signals.ts";
import { timeoutSignal } from "../../base/timers.ts";
import { Resource } from "../../wire/resource.ts";
import { subjects } from "../../wire/subjects.ts";
import type { DriverEvent } from "../understand/decode.ts";
import { earlierResults } from "../understand/earlier-results.ts";
import { RecentMap } from "../../base/recent-map.ts";
import { RecentSet } from "../../base/recent-set.ts";
import type { RunFacts, RunState } from "../host/run-state.ts";
import { markOf } from "../claim/turn.ts";
import { type Api, askApi } from "./ask-api.ts";

export interface ServerRunsOptions extends Api {
  readonly driver: string;
  /** The resource types that it handles. */
  readonly resources: readonly string[];
  readonly transport: Transport;
  readonly host: string;
  readonly ackWaitMs: number;
  readonly clock?: Clock;
  /** How old an answer of the server may be, milliseconds. */
  readonly askEveryMs?: number;
}

const ASK_EVERY_MS = 55_000;
const ANSWER_MS = 10_000;
/** What a resource may have, with room for the results in it. */
const MOST_BYTES = 16 * 1024 * 1024;
const REMEMBERED = 10_000;
/** How long an event may wait before its run's log says why. */
const TAKEN_MS = 1000;
/** An instance that has lost its broker for a moment writes its mark a little late. */
const LATE_MS = 3000;
/** The server takes no part of a URL apart, so what would have to be escaped there cannot be read back. */
const PLAIN = /^[\w.~-]+$/;

/** What the server said, and when. `waits`: it has no result of the asking driver. */
interface Answer {
  readonly at: number;
  readonly says: "over" | "waits" | "reported" | undefined;
}

/**
 * What can be known of runs beside a Conveyor server, which has no run and tells of no end: results and events are heard as
 * they pass, and the server is asked for the resource.
 */
export class ServerRuns implements AsyncDisposable {
  readonly #options: ServerRunsOptions;
  readonly #ears = new AsyncDisposableStack();
  /** Runs of which nothing more comes. */
  readonly #over = new RecentSet(REMEMBERED);
  /** Runs that have something on this host. */
  readonly #here = new RecentSet(REMEMBERED);
  /** The subject of a run's last event, for runs on this host. */
  readonly #at = new RecentMap<string>(REMEMBERED);
  readonly #asked = new RecentMap<Answer>(REMEMBERED);
  readonly #marks = new RecentMap<{ revision: number; since: number }>(REMEMBERED);
  #whyFull: () => string | undefined = () => undefined;
  #bell = Promise.withResolvers<void>();

  constructor(options: ServerRunsOptions) {
    this.#options = options;
  }

  /** Hears from now on what becomes of runs that have something on this host. `whyFull`: why the driver takes no event, if so. */
  async listen({ whyFull = () => undefined }: { whyFull?: () => string | undefined } = {}): Promise<void> {
    this.#whyFull = whyFull;
    const { transport, resources } = this.#options;
    this.#ears.use(await transport.listen(subjects.result, (message) => this.#hearResult(message)));
    for (const type of resources) {
      this.#ears.use(
        await transport.listen(subjects.step("*", type), (message) => void this.#hearEvent(message)),
      );
    }
  }

  /** Resolves when something about a run on this host has become known. */
  readonly news = (): Promise<void> => {
    this.#bell = Promise.withResolvers();
    return this.#bell.promise;
  };

  readonly askRun = async (
    run: string,
    facts: RunFacts,
    { signal }: { signal: AbortSignal },
  ): Promise<RunState | undefined> => {
    this.#here.add(run);
    if (this.#over.has(run)) return "over";
    const silentSince = await this.#silentSince(run, facts.event);
    const { says } = await this.#ask(run, facts, silentSince ?? -Infinity, signal);
    if (says === "over") return this.#end(run);
    if (says === "waits" && silentSince !== undefined) return "waits";
    const subject = this.#at.get(run);
    return subject !== undefined && await this.#options.transport.demand(subject) === "idle"
      ? "idle"
      : undefined;
  };

  /** Whether an event that comes again has been answered already, or nobody wants an answer any more. False where nobody knows. */
  readonly isAnswered = async ({ resource: sent, run }: DriverEvent): Promise<boolean> => {
    const facts = { type: sent.resource, name: sent.name, id: sent.id };
    const now = await this.#fetch(facts, timeoutSignal(ANSWER_MS));
    if (now === undefined) return false;
    if (isOver(now, sent.id, run)) return true;
    const result = ({ metadata }: Resource) => JSON.stringify(earlierResults(metadata)[this.#options.driver]);
    const stored = result(now);
    return stored !== undefined && stored !== result(sent);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ears.disposeAsync();
  }

  #hearResult({ data }: Message): void {
    const { driver, host } = this.#options;
    const text = new TextDecoder().decode(data);
    const hasFailed = /"success"\s*:\s*false/.test(text);
    if (!hasFailed && !text.includes(`"${driver}"`)) return;
    const { run_id: run, driverresult: result } = parsed(text);
    if (typeof run !== "string" || typeof result !== "object" || result === null) return;
    const { success, driver: by, data: said } = result as Record<string, unknown>;
    if (success === false) this.#end(run);
    else if (by === driver && typeof said === "object" && said && "host" in said && said.host === host) {
      this.#here.add(run);
    }
  }

  /** An event for which no driver has a consumer is lost: the server takes it for sent, and the run stands still for ever. */
  /** Never rejects. */
  async #hearEvent({ subject, data }: Message): Promise<void> {
    const { driver, transport } = this.#options;
    const { run_id: run, id } = parsed(new TextDecoder().decode(data));
    if (typeof run !== "string") return;
    try {
      if (subject.startsWith(`drivers.${driver}.`)) {
        return typeof id === "string" ? await this.#sayWaiting(run, id) : undefined;
      }
      if (!this.#here.has(run)) return;
      this.#at.set(run, subject);
      if (await transport.demand(subject) !== "none") return;
      await this.#sayLost(run, subject.split(".")[1] ?? "");
      this.#end(run);
    } catch (error) {
      processLog("driver").debug("Cannot tell what becomes of {subject}: {why}", {
        subject,
        why: messageOf(error),
      });
    }
  }

  /** An event that no instance has taken after a moment waits for room, as far as this host can tell. */
  async #sayWaiting(run: string, event: string): Promise<void> {
    const { transport, driver } = this.#options;
    await delay(TAKEN_MS);
    const why = this.#whyFull();
    if (why === undefined || await transport.readMark(markOf.name(driver, run, event))) return;
    await this.#say(run, `waits/${event}`, why);
  }

  async #sayLost(run: string, driver: string): Promise<void> {
    const message =
      `The run ends here: no driver "${driver}" has been started on this server, so its event is lost`;
    await this.#say(run, `lost/${driver}`, message);
  }

  /** Stores a line in the run's log, once for all hosts that say it. */
  async #say(run: string, what: string, message: string): Promise<void> {
    const { transport, clock = systemClock } = this.#options;
    const timestamp = new Date(clock()).toISOString();
    const line = JSON.stringify({
      runid: run,
      driver: this.#options.driver,
      pipeline: "",
      timestamp,
      message,
    });
    const { duplicate } = await transport.publish(subjects.logs(run), line, { id: `${run}/${what}` });
    if (!duplicate) await transport.broadcast(subjects.liveLogs(run, this.#options.driver), line);
  }

  #end(run: string): "over" {
    if (!this.#over.has(run)) {
      this.#over.add(run);
      for (const known of [this.#at, this.#asked, this.#marks]) known.delete(run);
      if (this.#here.has(run)) this.#bell.resolve();
    }
    return "over";
  }

  /** Since when nobody has worked on the event that the run's container was made for; undefined where somebody may. */
  async #silentSince(run: string, event: string): Promise<number | undefined> {
    const { transport, driver, ackWaitMs } = this.#options;
    const mark = event === "" ? undefined : await transport.readMark(markOf.name(driver, run, event));
    if (!mark || mark.text === markOf.done) return undefined;
    const now = performance.now();
    const before = this.#marks.get(run);
    const since = before?.revision === mark.revision ? before.since : now;
    this.#marks.set(run, { revision: mark.revision, since });
    return mark.text === markOf.free || now - since >= ackWaitMs + LATE_MS ? since : undefined;
  }

  /** What the server says of a run, from an answer that came after `after` and is not too old. */
  async #ask(run: string, facts: RunFacts, after: number, signal: AbortSignal): Promise<Answer> {
    const { driver, askEveryMs = ASK_EVERY_MS } = this.#options;
    const before = this.#asked.get(run);
    const at = performance.now();
    if (before && at - before.at < askEveryMs && before.at > after) return before;
    const resource = await this.#fetch(facts, AbortSignal.any([signal, timeoutSignal(ANSWER_MS)]));
    signal.throwIfAborted();
    const says = resource === undefined
      ? undefined
      : isOver(resource, facts.id, run)
      ? "over"
      : earlierResults(resource.metadata)[driver] === undefined
      ? "waits"
      : "reported";
    const answer: Answer = { at, says };
    this.#asked.set(run, answer);
    return answer;
  }

  async #fetch(
    { type, name }: Pick<RunFacts, "type" | "name">,
    signal: AbortSignal,
  ): Promise<Resource | "gone" | undefined> {
    if (!PLAIN.test(type) || !PLAIN.test(name)) return undefined;
    try {
      const path = `/resources/${type}/${name}`;
      const { clock = systemClock } = this.#options;
      const ask = { method: "GET", path, signal, clock, mostBytes: MOST_BYTES } as const;
      const { status, text } = await askApi(this.#options, ask);
      if (status === 200) return Resource.safeParse(JSON.parse(text)).data;
      // What is missing is an error of the server, by its words.
      return status === 500 && /resource.* not found/.test(text) ? "gone" : undefined;
    } catch (error) {
      processLog("driver").debug("Cannot ask for resource {name}: {why}", { name, why: messageOf(error) });
      return undefined;
    }
  }
}

/** Nothing comes any more of a run whose resource is another one by now, or of which a step has failed. */
function isOver(resource: Resource | "gone", id: string, run: string): resource is "gone" {
  if (resource === "gone" || resource.id !== id) return true;
  const current = resource.metadata?.["current_pipeline_run"];
  if (typeof current === "string" && current !== run) return false;
  return Object.values(earlierResults(resource.metadata)).some(({ success }) => !success);
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}
