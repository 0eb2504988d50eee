import { Buffer } from "node:buffer";
import { HEADER_ROOM_BYTES, MAX_MESSAGE_BYTES } from "../../backend/transport.ts";
import { messageOf, type Retryable, type StepFailure } from "../../base/errors.ts";
import { MAX_JSON_DEPTH, nestingOf, parseOwnJson } from "../../base/json.ts";
import { cutText } from "../../base/text.ts";
import { formatSize } from "../../base/units.ts";
import { type Reason, reasonOf } from "../../wire/reasons.ts";
import type { DriverResult } from "../../wire/resource.ts";
import type { Mask } from "../log/mask/mask.ts";

/** Limits of a driver's result, bytes of JSON. */
export const MAX_DATA_BYTES = 64 * 1024;
export const MAX_TEXT_BYTES = 16 * 1024;
/** Characters that are kept of the message of a failed result that has to be cut. */
const CUT_TEXT_LENGTH = 1000;

/** Makes a failed result with a common reason. */
export function failed(reason: Reason, message: string, data: Record<string, unknown> = {}): DriverResult {
  return { success: false, message, data: { ...data, reason } };
}

/** Makes the failed result for a failure that has a reason of its own. */
export function failedBy(failure: StepFailure | Retryable, message = messageOf(failure)): DriverResult {
  const data = "data" in failure ? failure.data : {};
  return { success: false, message, data: { ...data, reason: failure.reason } };
}

/** Returns a result as JSON, masked. If it is invalid or too large, returns a failed result that says so. */
export function resultText(result: unknown, driver: string, mask: Mask): string {
  try {
    return written(result, driver, mask);
  } catch (error) {
    return written(
      failed("driver-error", `Driver "${driver}" returned an invalid result: ${messageOf(error)}`),
      driver,
      mask,
    );
  }
}

/** Returns whether a result's JSON says that the step succeeded. */
const isSuccess = (resultText: string): boolean => resultText.startsWith('{"success":true,');

function written(result: unknown, driver: string, mask: Mask): string {
  if (typeof result !== "object" || result === null) {
    throw new TypeError(`expected an object with success, message and data, got ${String(result)}`);
  }
  const { success, message = "", data = null } = result as Partial<DriverResult>;
  if (typeof success !== "boolean") {
    throw new TypeError(`success: expected true or false, got ${String(success)}`);
  }
  if (typeof message !== "string") throw new TypeError(`message: expected a text, got ${typeof message}`);
  const masked = mask.text(message);
  // Cut the message of a failure rather than refuse it: its reason must not be lost.
  const text = success ? masked : cutText(masked, MAX_TEXT_BYTES);
  const json = JSON.stringify(data) ?? "null";
  const depth = nestingOf(json);
  if (depth > MAX_JSON_DEPTH) {
    throw new RangeError(`data is nested ${depth} deep, expected ${MAX_JSON_DEPTH} at most`);
  }
  const shown = mask.longest === 0 ? json : JSON.stringify(mask.value(parseOwnJson(json)));
  checkSize("message", text, MAX_TEXT_BYTES);
  checkSize("data", shown, MAX_DATA_BYTES);
  return `{"success":${success},"message":${JSON.stringify(text)},"data":${shown},"driver":${
    JSON.stringify(driver)
  }}`;
}

function checkSize(what: string, text: string, most: number): void {
  const bytes = Buffer.byteLength(text);
  if (bytes > most) {
    throw new RangeError(`${what} has ${formatSize(bytes)}, expected ${formatSize(most)} at most`);
  }
}

/** A result that is ready to be sent. */
export interface ComposedResult {
  readonly isSuccess: boolean;
  readonly result: DriverResult;
  /** The message to publish, JSON text. */
  readonly event: string;
}

/** Masks a driver's result and makes it fit into one message of `mostBytes`. */
export function composeResult(
  answer: unknown,
  { run, resource, ...fit }: {
    run: string;
    resource: EchoedResource;
    driver: string;
    mask: Mask;
    mostBytes: number;
  },
): ComposedResult {
  const text = fittingResult(run, resource, resultText(answer, fit.driver, fit.mask), fit);
  return {
    isSuccess: isSuccess(text),
    result: parseOwnJson(text),
    event: resultEvent(run, resource, text, fit.mostBytes),
  };
}

/** The resource of an event: the text as received, and a short form for messages that have no room for it. */
export interface EchoedResource {
  readonly payload: string;
  readonly standIn: string;
}

/**
 * Returns a result that fits into an event of `mostBytes`. If this one does not, returns a failed result that
 * says so; a result that was already failed keeps its reason and the start of its message.
 */
function fittingResult(
  run: string,
  { standIn }: EchoedResource,
  result: string,
  { driver, mask, mostBytes }: { driver: string; mask: Mask; mostBytes: number },
): string {
  const bytes = Buffer.byteLength(resultEvent(run, { payload: standIn, standIn }, result));
  const most = mostBytes - HEADER_ROOM_BYTES;
  if (bytes <= most) return result;
  const { success, message, data } = parseOwnJson<DriverResult>(result);
  const note = `The result has ${formatSize(bytes)}: expected ${
    formatSize(most)
  } at most, as the broker takes no larger messages`;
  const cut = message.slice(0, CUT_TEXT_LENGTH);
  return resultText(
    success ? failed("driver-error", note) : failed(reasonOf(data), `${cut} … [cut. ${note}]`),
    driver,
    mask,
  );
}

/**
 * Builds the message for `pipelines.driver.result` (protocol 1.3). The resource is repeated unchanged, or in
 * its short form if the message would be too large.
 */
export function resultEvent(
  run: string,
  resource: EchoedResource,
  result: string,
  mostBytes = MAX_MESSAGE_BYTES,
): string {
  const event = (echoed: string) =>
    `{"event":"driver.result","run_id":${JSON.stringify(run)},"resource":${echoed},"driverresult":${result}}`;
  const whole = event(resource.payload);
  const fits = Buffer.byteLength(whole) <= mostBytes - HEADER_ROOM_BYTES;
  return fits ? whole : event(resource.standIn);
}
