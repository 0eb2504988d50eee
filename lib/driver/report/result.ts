import { Buffer } from "node:buffer";
import { HEADER_ROOM_BYTES, MAX_MESSAGE_BYTES } from "../../backend/transport.ts";
import { messageOf, type Retryable, type StepFailure } from "../../base/errors.ts";
import { MAX_JSON_DEPTH, nestingOf, parseOwnJson } from "../../base/json.ts";
import { cutText } from "../../base/text.ts";
import { formatSize } from "../../base/units.ts";
import { type Reason, reasonOf } from "../../wire/reasons.ts";
import type { DriverResult } from "../../wire/resource.ts";
import type { Mask } from "../log/mask/mask.ts";

/** Limits of what a driver answers, as JSON. */
export const MAX_DATA_BYTES = 64 * 1024;
export const MAX_TEXT_BYTES = 16 * 1024;
/** How much of its message a result keeps that has to be cut down. */
const CUT_TEXT_LENGTH = 1000;

/** A failed result with a reason of the closed set. */
export function failed(reason: Reason, message: string, data: Record<string, unknown> = {}): DriverResult {
  return { success: false, message, data: { ...data, reason } };
}

/** The failed result for a failure that names its own reason. */
export function failedBy(failure: StepFailure | Retryable, message = messageOf(failure)): DriverResult {
  const data = "data" in failure ? failure.data : {};
  return { success: false, message, data: { ...data, reason: failure.reason } };
}

/** A result as JSON, masked; where it is none, or larger than a result may be, a failed one that says so. */
export function resultText(result: unknown, driver: string, mask: Mask): string {
  try {
    return written(result, driver, mask);
  } catch (error) {
    return written(
      failed("driver-error", `Driver "${driver}" answered what is no result: ${messageOf(error)}`),
      driver,
      mask,
    );
  }
}

/** Whether a result's text says that the step succeeded. */
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
  // The reason of a failure must not be lost because of what was said of it.
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

/** A result that is ready to be sent, as the event that it travels in. */
export interface ComposedResult {
  readonly isSuccess: boolean;
  readonly result: DriverResult;
  /** JSON text. */
  readonly event: string;
}

/** What a driver answered, masked, and made to fit into one message of `mostBytes`. */
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

/** The resource of an event: the text it came as, and what says which one it is where there is no room for that. */
export interface EchoedResource {
  readonly payload: string;
  readonly standIn: string;
}

/**
 * The result as JSON, made to fit into an event of `mostBytes`: one that does not is a failed one that says so, with the
 * reason and the beginning of the message that it had if it was failed before.
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

/** The message for `pipelines.driver.result` (protocol 1.3). Of the resource nothing changes on its way through here. */
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
