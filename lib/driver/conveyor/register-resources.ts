import { type Clock, systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { delay } from "../../base/signals.ts";
import { timeoutSignal } from "../../base/timers.ts";
import type { Driver } from "../driver.ts";
import { backOff } from "../../base/retry.ts";
import { type Api, askApi } from "./ask-api.ts";

export interface RegisterOptions extends Api {
  /** Resource types that are handled instead of the driver's own. */
  readonly resources?: readonly string[] | undefined;
  /** Ends the trying. */
  readonly signal: AbortSignal;
  /** Before the first try again, milliseconds; doubled each time up to a minute. */
  readonly retryMs?: number;
  /** How long an answer is waited for, milliseconds. */
  readonly answerMs?: number;
  readonly clock?: Clock;
}

const RETRY_MS = 1000;
const MOST_RETRY_MS = 60_000;
const ANSWER_MS = 10_000;

/**
 * Tells a Conveyor server which resource types there are, so that its users can create them: creates each definition or
 * brings it up to date, and tries again for as long as the server is away or refuses us. Where nobody knows of definitions
 * (404) there is nothing to tell. Never rejects, since a driver works without: what goes wrong is in the process log.
 */
export async function registerResources(driver: Driver, options: RegisterOptions): Promise<void> {
  const schema = schemaOf(driver);
  if (!schema) return;
  const { resources = driver.resources } = options;
  await Promise.all(
    resources.map((name) =>
      persistently({ name, description: `Made by the driver ${driver.name}`, version: "1", schema }, options)
    ),
  );
}

/** Undefined where the driver has none, and where what it says is none: then it works all the same, and the type is not registered. */
function schemaOf(driver: Driver): Record<string, unknown> | undefined {
  try {
    const schema = driver.schema?.();
    if (schema !== undefined) JSON.stringify(schema);
    return schema;
  } catch (error) {
    processLog("driver").error(
      "Cannot register the resource types of driver {driver}: its schema() threw {why}",
      {
        driver: driver.name,
        why: messageOf(error),
      },
    );
    return undefined;
  }
}

type Definition = Readonly<{ name: string; description: string; version: string; schema: unknown }>;

async function persistently(definition: Definition, options: RegisterOptions): Promise<void> {
  const { api, signal, retryMs = RETRY_MS } = options;
  const log = processLog("driver").with({ type: definition.name, api });
  for (let n = 1; !signal.aborted; n++) {
    const answer = await apply(definition, options);
    if (signal.aborted) return;
    if (answer === "known") return log.info("Registered resource type {type} at {api}");
    if (answer === "unheard-of") return log.debug("{api} has no place for resource type {type}");
    const { why, isFinal } = answer;
    if (isFinal) return log.error("Cannot register resource type {type} at {api}: {why}", { why });
    const again = "Cannot register resource type {type} at {api}, trying again: {why}";
    if (n === 1) log.warn(again, { why });
    else log.debug(again, { why });
    await delay(backOff(n, retryMs, MOST_RETRY_MS), { signal }).catch(() => {});
  }
}

type Answer = "known" | "unheard-of" | { readonly why: string; readonly isFinal: boolean };

async function apply(definition: Definition, options: RegisterOptions): Promise<Answer> {
  const { api, credentials, signal, answerMs = ANSWER_MS, clock = systemClock } = options;
  const late = timeoutSignal(answerMs);
  try {
    const { status, text } = await askApi({ api, credentials }, {
      method: "POST",
      path: "/resource-definitions/apply",
      value: definition,
      signal: AbortSignal.any([signal, late]),
      clock,
    });
    if (status >= 200 && status < 300) return "known";
    if (status === 404 || status === 405) return "unheard-of";
    // Who is not let in today may be tomorrow: tokens and certificates are renewed.
    const passes = status >= 500 || [401, 403, 408, 429].includes(status);
    return { why: `it answered ${status} ${text.trim()}`, isFinal: !passes };
  } catch (error) {
    const why = late.aborted ? `no answer within ${answerMs} ms` : messageOf(error);
    return { why, isFinal: false };
  }
}
