import { MAX_MESSAGE_DEPTH, parseJson } from "../../base/json.ts";
import type { Message, Transport } from "../../backend/transport.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { delay } from "../../base/signals.ts";
import { timeoutSignal } from "../../base/timers.ts";
import { HEADERS } from "../../wire/headers.ts";
import { isRunId } from "../../wire/ids.ts";
import { Resource, token } from "../../wire/resource.ts";
import { subjects } from "../../wire/subjects.ts";
import type { DriverEvent } from "../understand/decode.ts";
import { earlierResults } from "../understand/earlier-results.ts";
import { RecentMap } from "../../base/recent-map.ts";
import { RecentSet } from "../../base/recent-set.ts";
import type { RunFacts, RunState } from "../host/run-state.ts";
import { markOf } from "../claim/turn.ts";
import type { Api } from "./ask-api.ts";
import { isDeleted, isOver, readResource } from "./read-resource.ts";
import { RunLines } from "./run-lines.ts";

export interface ServerRunsOptions extends Api {
  readonly driver: string;
  /** The resource types that the driver handles. */
  readonly resources: readonly string[];
  readonly transport: Transport;
  readonly host: string;
  readonly ackWaitMs: number;
  readonly clock?: Clock;
  /** The longest age at which an answer of the server is reused, milliseconds. */
  readonly askEveryMs?: number;
}

/** What the driver's instance knows about queued events. */
export interface Hearers {
  /** Returns why the driver takes no events, if it takes none. */
  readonly whyFull?: () => string | undefined;
  /** Settles an event that would be refused in any case; returns false if it would not. */
  readonly refuse?: (event: Message) => Promise<boolean>;
}

const ASK_EVERY_MS = 55_000;
const ANSWER_MS = 10_000;
const REMEMBERED = 10_000;
/** How long an event may wait before its run's log says why, milliseconds. */
const TAKEN_MS = 1000;
/** Extra time, milliseconds: an instance that has lost its broker for a moment writes its mark late. */
const LATE_MS = 3000;

/** What the server said, and when. `waits`: it has no result of this driver. */
interface Answer {
  readonly at: number;
  readonly says: "over" | "waits" | "reported" | undefined;
}

/**
 * Tracks the state of runs of a Conveyor server, which has no run records and does not announce their end:
 * listens to results and events, and asks the server for the resource.
 */
export class ServerRuns implements AsyncDisposable {
  readonly #options: ServerRunsOptions;
  readonly #subscriptions = new AsyncDisposableStack();
  /** Runs that have ended. */
  readonly #over = new RecentSet(REMEMBERED);
  /** Runs with containers or volumes on this host. */
  readonly #here = new RecentSet(REMEMBERED);
  /** The subject of a run's last event, for runs on this host. */
  readonly #at = new RecentMap<string>(REMEMBERED);
  /** The driver whose step of a run is at work, or is to be; only for runs on this host. */
  readonly #atWork = new RecentMap<string>(REMEMBERED);
  readonly #asked = new RecentMap<Answer>(REMEMBERED);
  readonly #marks = new RecentMap<{ revision: number; since: number }>(REMEMBERED);
  readonly #lines: RunLines;
  #hearers: Hearers = {};
  #nextEnd = Promise.withResolvers<void>();

  constructor(options: ServerRunsOptions) {
    this.#options = options;
    this.#lines = new RunLines(options);
  }

  /** Starts listening for events and results of runs on this host. */
  async listen(hearers: Hearers = {}): Promise<void> {
    this.#hearers = hearers;
    const { transport, resources } = this.#options;
    this.#subscriptions.use(
      await transport.listen(subjects.result, (message) => void this.#hearResult(message)),
    );
    for (const type of resources) {
      for (const subject of [subjects.step("*", type), subjects.resource(type)]) {
        this.#subscriptions.use(await transport.listen(subject, (message) => void this.#hearEvent(message)));
      }
    }
  }

  /** Resolves when a run on this host has ended. */
  readonly news = (): Promise<void> => {
    this.#nextEnd = Promise.withResolvers();
    return this.#nextEnd.promise;
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

  /**
   * Returns true if a redelivered event has been answered already or its run is over; false if it has not or
   * that is unknown.
   */
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
    await this.#subscriptions.disposeAsync();
  }

  /** Never rejects. */
  async #hearResult({ data, headers = {} }: Message): Promise<void> {
    const { driver, host, resources } = this.#options;
    const text = new TextDecoder().decode(data);
    const hasFailed = /"success"\s*:\s*false/.test(text);
    if (!hasFailed && !text.includes(`"${driver}"`) && !this.#mayEndStep(text)) return;
    const { run_id: run, resource, driverresult: result } = parsed(text);
    if (typeof run !== "string" || !isRecord(result)) return;
    const { success, driver: by, data: said, message } = result;
    if (success === true) {
      if (by === driver && isRecord(said) && said.host === host) this.#here.add(run);
      if (this.#atWork.get(run) === by) this.#atWork.delete(run);
      return;
    }
    if (success !== false) return;
    this.#end(run);
    // Drivers of this runtime name the step in a header, and write the line themselves.
    const isOthers = headers[HEADERS.step] === undefined && isRecord(resource) && isRunId(run) &&
      resources.some((type) => type === resource.resource);
    if (!isOthers || typeof by !== "string" || !token.safeParse(by).success) return;
    await this.#lines.failed(run, by, typeof message === "string" ? message : "").catch((error) => {
      processLog("driver").debug("Cannot tell that {by} has failed: {why}", { by, why: messageOf(error) });
    });
  }

  /**
   * Detects lost events: if no driver has a consumer for an event, the server still counts it as sent, and
   * the run never continues. Never rejects.
   */
  async #hearEvent(message: Message): Promise<void> {
    const { subject, data } = message;
    const { driver, transport } = this.#options;
    const { run_id: run, id } = parsed(new TextDecoder().decode(data));
    if (typeof run !== "string") return;
    try {
      if (subject.startsWith(`drivers.${driver}.`) || !subject.startsWith("drivers.")) {
        return typeof id === "string" ? await this.#hearWaiting(run, id, message) : undefined;
      }
      if (!this.#here.has(run)) return;
      const next = subject.split(".")[1] ?? "";
      this.#at.set(run, subject);
      this.#atWork.set(run, next);
      if (await transport.demand(subject) !== "none") return;
      this.#end(run);
      await this.#lines.lost(run, next);
    } catch (error) {
      processLog("driver").debug("Cannot tell what becomes of {subject}: {why}", {
        subject,
        why: messageOf(error),
      });
    }
  }

  /**
   * Handles an event that no instance has taken after a moment: if this host has no room, refuses the event
   * if it would fail in any case; otherwise its run's log says why it waits.
   */
  async #hearWaiting(run: string, event: string, message: Message): Promise<void> {
    const { transport, driver } = this.#options;
    const { whyFull, refuse } = this.#hearers;
    await delay(TAKEN_MS);
    const why = whyFull?.();
    if (why === undefined || await transport.readMark(markOf.name(driver, run, event))) return;
    if (await refuse?.(message)) return;
    await this.#lines.waiting(run, event, why);
  }

  /** A cheap look, so that the results of all other hosts need not be parsed. */
  #mayEndStep(result: string): boolean {
    return [...result.matchAll(/"run_id"\s*:\s*"([^"]*)"/g)].some(([, run = ""]) =>
      this.#atWork.get(run) !== undefined
    );
  }

  #end(run: string): "over" {
    if (!this.#over.has(run)) {
      this.#over.add(run);
      for (const known of [this.#at, this.#atWork, this.#asked, this.#marks]) known.delete(run);
      if (this.#here.has(run)) this.#nextEnd.resolve();
    }
    return "over";
  }

  /**
   * Returns since when no instance has worked on the event that the run's container was made for; undefined
   * if one may still work on it.
   */
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

  /**
   * Returns what the server says about a run: a known answer that is newer than `after` and not too old, or a
   * new one.
   */
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
    // Before the container is removed: the step that works in it fails without knowing why. A run that has
    // succeeded may have left its container for a look, and needs no such line.
    const isCutOff = resource !== undefined && isDeleted(resource, facts.id) && this.#atWork.get(run);
    if (isCutOff) await this.#tellDeleted(run, facts.name);
    return answer;
  }

  /** Never rejects. */
  async #tellDeleted(run: string, name: string): Promise<void> {
    await this.#lines.deleted(run, name).catch((error) => {
      processLog("driver").debug("Cannot tell that {name} was deleted: {why}", {
        name,
        why: messageOf(error),
      });
    });
  }

  async #fetch(
    { type, name }: Pick<RunFacts, "type" | "name">,
    signal: AbortSignal,
  ): Promise<Resource | "gone" | undefined> {
    const { clock = systemClock } = this.#options;
    return await readResource(this.#options, { type, name, signal, clock });
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = parseJson(text, { maxDepth: MAX_MESSAGE_DEPTH });
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}
