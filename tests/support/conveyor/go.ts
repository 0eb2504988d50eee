/** How a server written in Go reads and writes JSON (protocol 1.3 and 3). */

export interface GoResource {
  id: string;
  name: string;
  pipeline: string;
  resource: string;
  metadata: Record<string, unknown> | null;
  spec: unknown;
}

export interface GoResult {
  success: boolean;
  message: string;
  data: unknown;
  driver: string;
}

export interface GoEvent {
  event: string;
  run_id: string;
  resource: GoResource;
  driverresult: GoResult;
}

export interface GoLog {
  runid: string;
  driver: string;
  pipeline: string;
  timestamp: string;
  message: string;
}

/**
 * Writes as `encoding/json` does: keys of maps sorted, HTML and line separators escaped. Fields of structs
 * keep their order: see `struct`.
 */
export function goJson(value: unknown): string {
  return write(value).replace(
    /[&<>\u2028\u2029]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const STRUCT = Symbol("struct");

/** Marks an object as a struct. */
export function struct<T extends object>(value: T): T {
  return Object.defineProperty({ ...value }, STRUCT, { value: true });
}

function write(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  if (!(STRUCT in value)) entries.sort(([a], [b]) => a < b ? -1 : 1);
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${write(member)}`).join(",")}}`;
}

/** A resource as it is sent and returned: without `pipeline` if that is empty. */
export function resourceStruct({ id, name, pipeline, resource, metadata, spec }: GoResource): object {
  return struct({ id, name, pipeline: pipeline === "" ? undefined : pipeline, resource, metadata, spec });
}

/**
 * A resource read into a Go struct: unknown fields are lost, wrong types are an error. With `texts`, metadata
 * is a map of strings, as in servers up to 0.6.6.
 */
export function readResource(value: unknown, { texts }: { texts: boolean }): GoResource {
  const given = objectOf(value, "resource");
  const metadata = given.metadata === undefined || given.metadata === null
    ? null
    : objectOf(given.metadata, "metadata");
  if (texts) { for (const [key, text] of Object.entries(metadata ?? {})) textOf(text, `metadata.${key}`); }
  return {
    id: textOf(given.id, "id"),
    name: textOf(given.name, "name"),
    pipeline: textOf(given.pipeline, "pipeline"),
    resource: textOf(given.resource, "resource"),
    metadata,
    spec: given.spec ?? null,
  };
}

export function readEvent(value: unknown, options: { texts: boolean }): GoEvent {
  const given = objectOf(value, "event");
  const result = objectOf(given.driverresult ?? {}, "driverresult");
  if (result.success !== undefined && typeof result.success !== "boolean") {
    throw new TypeError("json: cannot unmarshal success into Go value of type bool");
  }
  return {
    event: textOf(given.event, "event"),
    run_id: textOf(given.run_id, "run_id"),
    resource: readResource(given.resource ?? {}, options),
    driverresult: struct({
      success: result.success ?? false,
      message: textOf(result.message, "message"),
      data: result.data ?? null,
      driver: textOf(result.driver, "driver"),
    }),
  };
}

export function readLog(value: unknown): GoLog {
  const given = objectOf(value, "log");
  return struct({
    runid: textOf(given.runid, "runid"),
    driver: textOf(given.driver, "driver"),
    pipeline: textOf(given.pipeline, "pipeline"),
    timestamp: textOf(given.timestamp, "timestamp"),
    message: textOf(given.message, "message"),
  });
}

export function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new TypeError(`json: cannot unmarshal ${what} into Go value of type struct`);
}

/** A missing field or null becomes the empty string. */
export function textOf(value: unknown, what: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw new TypeError(`json: cannot unmarshal ${what} into Go value of type string`);
}
