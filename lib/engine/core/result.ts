import { Buffer } from "node:buffer";
import { cutText } from "../../base/text.ts";
import { formatSize } from "../../base/units.ts";
import { type DriverResult, token } from "../../wire/resource.ts";

/**
 * The most data of a result, bytes. Our own drivers refuse more than a quarter of this; others have no limit,
 * and a run's record must stay bounded.
 */
const MAX_DATA_BYTES = 256 * 1024;
const MAX_MESSAGE_BYTES = 16 * 1024;

/** Returns the result as stored: a long message is cut; too much data makes it a failure that says so. */
export function bounded({ success, message, data }: DriverResult): DriverResult {
  const bytes = data === undefined ? 0 : Buffer.byteLength(JSON.stringify(data));
  if (bytes > MAX_DATA_BYTES) {
    const most = formatSize(MAX_DATA_BYTES);
    return {
      success: false,
      message: `The result has ${formatSize(bytes)} of data: expected ${most} at most`,
    };
  }
  const kept = cutText(message, MAX_MESSAGE_BYTES);
  return data === undefined ? { success, message: kept } : { success, message: kept, data };
}

/** Returns true if the driver had nothing to do: `data.skipped` is `true`. */
export function isSkipped({ data }: DriverResult): boolean {
  return field(data, "skipped") === true;
}

/**
 * Returns the Docker host of the run's container, if the result names one (`data.host`) that is a valid
 * subject token.
 */
export function hostIn({ data }: DriverResult): string | undefined {
  const host = token.safeParse(field(data, "host"));
  return host.success ? host.data : undefined;
}

function field(data: unknown, name: string): unknown {
  return typeof data === "object" && data !== null && Object.hasOwn(data, name)
    ? (data as Record<string, unknown>)[name]
    : undefined;
}
