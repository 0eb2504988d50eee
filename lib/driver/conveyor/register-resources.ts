import { MAX_MESSAGE_DEPTH, parseJson } from "../../base/json.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { delay } from "../../base/signals.ts";
import { timeoutSignal } from "../../base/timers.ts";
import type { Driver } from "../driver.ts";
import { pause } from "../../base/retry.ts";
import { type Api, askApi } from "./ask-api.ts";
import { type Part, withPart, withPartsOf } from "./schema-parts.ts";

export interface RegisterOptions extends Api {
  /** Resource types to handle instead of the driver's own. */
  readonly resources?: readonly string[] | undefined;
  /**
   * `missing` (default): registers missing types, and replaces those that a driver of ours has registered if
   * they have changed. `always`: also replaces definitions of others. `never`: registers nothing.
   */
  readonly mode?: RegisterMode;
  /**
   * Checks again at this interval, milliseconds, in case the server has lost its data. Without it, ends when
   * everything is registered.
   */
  readonly againMs?: number;
  /** Stops registering. */
  readonly signal: AbortSignal;
  /** The delay before the first retry, milliseconds; doubled each time, up to a minute. */
  readonly retryMs?: number;
  /** How long to wait for an answer, milliseconds. */
  readonly answerMs?: number;
  readonly clock?: Clock;
}

export type RegisterMode = "never" | "missing" | "always";

/** The description of our definitions starts with this. */
export const MADE_BY = "Made by the driver ";
/** The most bytes of a definition that are read. */
const MOST_BYTES = 1024 * 1024;
const RETRY_MS = 1000;
const MOST_RETRY_MS = 60_000;
const ANSWER_MS = 10_000;

/**
 * Registers the driver's resource types with a Conveyor server, so that its users can create them. Retries
 * while the server is away or refuses us. Definitions of others are not replaced unless `mode` is `always`.
 * If the API does not know definitions (404), nothing is registered. Never rejects, since a driver works
 * without registration: problems go to the process log.
 */
export async function registerResources(driver: Driver, options: RegisterOptions): Promise<void> {
  if (options.mode === "never") return;
  const schema = schemaOf(driver, "schema");
  const part = schemaOf(driver, "part");
  const { resources = driver.resources } = options;
  const definitionOf = (name: string): Definition | undefined => {
    // A Conveyor server ignores `drivers`; our own control plane makes them the type's default pipeline.
    const drivers = [...driver.pipeline ?? [driver.name]];
    if (schema) return { name, description: MADE_BY + driver.name, version: "1", drivers, schema };
    return part && { name, part: { driver: driver.name, schema: part } };
  };
  await Promise.all(
    resources.map(definitionOf).map((definition) => definition && persistently(definition, options)),
  );
}

/**
 * Returns the driver's schema; undefined if it has none or its method throws. Then the driver works, but the
 * type is not registered.
 */
function schemaOf(driver: Driver, which: "schema" | "part"): Record<string, unknown> | undefined {
  try {
    const schema = driver[which]?.();
    if (schema !== undefined) JSON.stringify(schema);
    return schema;
  } catch (error) {
    processLog("driver").error(
      "Cannot register the resource types of driver {driver}: its {which}() threw {why}",
      {
        driver: driver.name,
        which,
        why: messageOf(error),
      },
    );
    return undefined;
  }
}

/** A resource type of the driver's own, or its part of a type that another driver defines. */
type Definition =
  | Readonly<{
    name: string;
    description: string;
    version: string;
    drivers: readonly string[];
    schema: Record<string, unknown>;
  }>
  | Readonly<{ name: string; part: Part }>;

async function persistently(definition: Definition, options: RegisterOptions): Promise<void> {
  const { api, signal, againMs } = options;
  const log = processLog("driver").with({ type: definition.name, api });
  let last: Registration | undefined;
  while (!signal.aborted) {
    const registration = await untilAnswered(definition, options);
    if (registration === "registered") log.info("Registered resource type {type} at {api}");
    if (registration === "known" && last === undefined) {
      log.info("Registered resource type {type} at {api} (unchanged)");
    }
    // Log this only once.
    if (registration === "theirs" && last !== registration) {
      log.info(
        "Leaves resource type {type} at {api} as somebody else has defined it (--register always replaces it)",
      );
    }
    if (registration === "unheard-of") log.debug("{api} has no place for resource type {type}");
    if (againMs === undefined || registration === undefined) return;
    last = registration;
    await delay(againMs, { signal }).catch(() => {});
  }
}

type Registration = "registered" | "known" | "theirs" | "unheard-of";

/** Returns undefined if it was stopped, or refused for good. */
async function untilAnswered(
  definition: Definition,
  options: RegisterOptions,
): Promise<Registration | undefined> {
  const { api, signal, retryMs = RETRY_MS } = options;
  const log = processLog("driver").with({ type: definition.name, api });
  for (let n = 1; !signal.aborted; n++) {
    const answer = await ensure(definition, options);
    if (signal.aborted) return undefined;
    if (typeof answer === "string") return answer;
    const { why, isFinal } = answer;
    if (isFinal) {
      log.error("Cannot register resource type {type} at {api}: {why}", { why });
      return undefined;
    }
    const again = "Cannot register resource type {type} at {api}, trying again: {why}";
    if (n === 1) log.warn(again, { why });
    else log.debug(again, { why });
    await pause(n, { firstMs: retryMs, mostMs: MOST_RETRY_MS, signal });
  }
  return undefined;
}

type Answer = Registration | { readonly why: string; readonly isFinal: boolean };

async function ensure(definition: Definition, options: RegisterOptions): Promise<Answer> {
  const { mode = "missing" } = options;
  const found = await ask(options, { method: "GET", path: `/resource-definitions/${definition.name}` });
  if ("isFinal" in found) return found;
  const { status, text } = found;
  // Today's server answers 500 for a missing definition, later ones 404.
  const isMissing = status === 404 || status === 405 || (status === 500 && /not found/.test(text));
  if (isMissing) {
    if ("part" in definition) return { why: "nobody has defined it yet", isFinal: false };
    return await apply(definition, options);
  }
  if (status < 200 || status >= 300) return refusal(found);
  const known = parsed(text);
  if (mode !== "always" && !String(known.description).startsWith(MADE_BY)) return "theirs";
  const wanted = "part" in definition
    ? { ...known, schema: withPart(known.schema, definition.part) }
    : { ...definition, schema: withPartsOf(known.schema, definition.schema) };
  return isEqual(known.schema, wanted.schema) ? "known" : await apply(wanted, options);
}

async function apply(definition: object, options: RegisterOptions): Promise<Answer> {
  const path = "/resource-definitions/apply";
  const answer = await ask(options, { method: "POST", path, value: definition });
  if ("isFinal" in answer) return answer;
  if (answer.status >= 200 && answer.status < 300) return "registered";
  return answer.status === 404 || answer.status === 405 ? "unheard-of" : refusal(answer);
}

function refusal({ status, text }: { status: number; text: string }): Answer {
  // Refused credentials may work later: tokens and certificates are renewed.
  const passes = status >= 500 || [401, 403, 408, 429].includes(status);
  return { why: `it answered ${status} ${text.trim().slice(0, 4096)}`, isFinal: !passes };
}

async function ask(
  { api, credentials, signal, answerMs = ANSWER_MS, clock = systemClock }: RegisterOptions,
  request: { method: "GET" | "POST"; path: string; value?: unknown },
): Promise<{ status: number; text: string } | { why: string; isFinal: false }> {
  const late = timeoutSignal(answerMs);
  try {
    const within = AbortSignal.any([signal, late]);
    return await askApi({ api, credentials }, { ...request, signal: within, clock, mostBytes: MOST_BYTES });
  } catch (error) {
    const why = late.aborted ? `no answer within ${answerMs} ms` : messageOf(error);
    return { why, isFinal: false };
  }
}

function parsed(text: string): { description?: unknown; schema?: unknown } {
  try {
    const value = parseJson(text, { maxDepth: MAX_MESSAGE_DEPTH });
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** Compares as JSON, ignoring the order of keys: a Conveyor server sorts them. */
function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
