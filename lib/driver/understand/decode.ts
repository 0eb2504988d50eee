import { Buffer } from "node:buffer";
import { describeIssues, parseForeign } from "../../wire/issues.ts";
import { isRunId } from "../../wire/ids.ts";
import { DriverMessage } from "../../wire/messages.ts";
import { Resource } from "../../wire/resource.ts";
import { MAX_JSON_DEPTH, memberText, nestingOf, parseJson } from "../../base/json.ts";

/** A valid event. */
export interface DriverEvent {
  readonly run: string;
  /** The operation. */
  readonly event: string;
  /** The message's own id, if its sender set one. */
  readonly message: string | undefined;
  readonly resource: Resource;
  /** The resource as received, JSON text. */
  readonly payload: string;
}

/** An invalid event whose run is known. */
export interface BrokenEvent {
  readonly problem: string;
  readonly run: string;
  readonly message: string | undefined;
}

/** An invalid event whose run is unknown. */
export interface UnknownEvent {
  readonly problem: string;
  readonly run: undefined;
}

/** The largest resource that can be handled: its result repeats it, with more data, in one message. */
export const MAX_RESOURCE_BYTES = 768 * 1024;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Decodes an event for a driver of these resource types. Never throws: returns a `problem` if the event is
 * invalid.
 */
export function decodeEvent(
  data: Uint8Array,
  types: readonly string[],
): DriverEvent | BrokenEvent | UnknownEvent {
  let envelope: unknown;
  try {
    const text = decoded(data);
    envelope = parsed(text, "The event");
    return understood(envelope, text, types);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    const run = textOf(envelope, "run_id");
    if (run === undefined || !isRunId(run)) return { problem, run: undefined };
    return { problem, run, message: textOf(envelope, "id") };
  }
}

function textOf(envelope: unknown, key: "id" | "run_id"): string | undefined {
  if (typeof envelope !== "object" || envelope === null || !Object.hasOwn(envelope, key)) return undefined;
  const value: unknown = Reflect.get(envelope, key);
  return typeof value === "string" ? value : undefined;
}

function understood(envelope: unknown, text: string, types: readonly string[]): DriverEvent {
  const checked = parseForeign(DriverMessage, envelope);
  if (!checked.success) throw new Error(`Invalid event: ${describeIssues(checked.error, envelope, "event")}`);
  const { event, id, run_id: run } = checked.data;
  if (!isRunId(run)) throw new Error(`Invalid event: event.run_id: expected a UUID, got ${quoted(run)}`);
  const payload = typeof checked.data.payload === "string"
    ? checked.data.payload
    : memberText(text, "payload") ?? "";
  return { run, event, message: id ?? undefined, payload, resource: resourceOf(payload, types) };
}

function resourceOf(payload: string, types: readonly string[]): Resource {
  const size = Buffer.byteLength(payload);
  if (size > MAX_RESOURCE_BYTES) {
    throw new Error(`Invalid resource: it has ${size} bytes, at most ${MAX_RESOURCE_BYTES} can be handled`);
  }
  const value = parsed(payload, "The event's payload");
  const checked = parseForeign(Resource, value);
  if (!checked.success) {
    throw new Error(`Invalid resource: ${describeIssues(checked.error, value, "resource")}`);
  }
  if (!types.includes(checked.data.resource)) {
    const wanted = types.map(quoted).join(" or ");
    throw new Error(
      `Invalid resource: resource.resource: expected ${wanted}, got ${quoted(checked.data.resource)}`,
    );
  }
  return checked.data;
}

function decoded(data: Uint8Array): string {
  try {
    return decoder.decode(data);
  } catch {
    throw new Error("Invalid event: expected UTF-8");
  }
}

/** Parses JSON. Throws if it is invalid or nested too deeply. */
function parsed(text: string, what: string): unknown {
  const depth = nestingOf(text);
  if (depth > MAX_JSON_DEPTH) {
    throw new Error(`${what} is nested ${depth} deep, at most ${MAX_JSON_DEPTH} can be handled`);
  }
  try {
    return parseJson(text);
  } catch (error) {
    throw new Error(`${what} is not JSON: ${error instanceof Error ? error.message : error}`);
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
