import { linesOf } from "../../../base/lines.ts";
import { createHash } from "node:crypto";
import { UnavailableError } from "../../../base/errors.ts";
import type { RunEvent } from "../../../engine/core/events.ts";
import type { Pipeline, Resource } from "../../../wire/resource.ts";
import { type Api, call, type Caller, json } from "./call.ts";
import { MAX_MESSAGE_DEPTH, parseJson } from "../../../base/json.ts";

/** The body of `POST /runs`. */
export interface NewRun {
  readonly run: string;
  readonly resource: Resource;
  /** The steps, or the name of a pipeline that the control plane stores. */
  readonly pipeline: Pipeline | string;
  /** Milliseconds. */
  readonly timeout: number;
  readonly restarts: number;
  readonly secrets: Readonly<Record<string, string>>;
}

/** Client of a control plane's HTTP API. Each call throws as `call` does. */
export interface ApiClient {
  submit(run: NewRun, options: { signal: AbortSignal }): Promise<void>;
  /** The run's events from its beginning. The stream may break at any point. */
  events(run: string, options: { logs: boolean; signal?: AbortSignal }): AsyncIterable<RunEvent>;
  cancel(run: string, message: string): Promise<void>;
  /** The artifact's bytes, verified by their SHA-256. */
  artifact(run: string, artifact: { name: string; sha256: string }): Promise<AsyncIterable<Uint8Array>>;
}

export function apiClient(api: Api): ApiClient {
  return clientOf((request) => call(api, request), api.url);
}

/** Like `apiClient`, over any caller. `where` names the server in messages. */
export function clientOf(call: Caller, where: string): ApiClient {
  return {
    async submit(run, { signal }) {
      await json(await call({ method: "POST", path: "/runs", body: run, signal }));
    },

    async *events(run, { logs, signal }) {
      const path = `/runs/${run}/events${logs ? "" : "?logs=false"}`;
      const body = await call({ method: "GET", path, ...signal && { signal } });
      // An incomplete last line is sent again after reconnecting.
      for await (const line of linesOf(body, { hasEnd: false })) {
        if (line !== "") yield eventOf(where, line);
      }
    },

    async cancel(run, message) {
      await json(await call({ method: "POST", path: `/runs/${run}/cancel`, body: { message } }));
    },

    async artifact(run, { name, sha256 }) {
      const path = `/runs/${run}/artifacts/${name.split("/").map(encodeURIComponent).join("/")}`;
      return checked(await call({ method: "GET", path }), name, sha256);
    },
  };
}

const TYPES: readonly unknown[] = ["run", "step", "log", "end"] satisfies RunEvent["type"][];

function eventOf(url: string, line: string): RunEvent {
  try {
    const event = parseJson(line, { maxDepth: MAX_MESSAGE_DEPTH }) as RunEvent;
    if (TYPES.includes(event.type)) return event;
  } catch {
    // Reported below.
  }
  throw new UnavailableError(
    `What answers at "${url}" is not one of our control planes: ${line.slice(0, 100)}`,
  );
}

async function* checked(
  bytes: AsyncIterable<Uint8Array>,
  name: string,
  sha256: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const chunk of bytes) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest("hex") !== sha256) throw new Error(`"${name}" arrived damaged: its SHA-256 differs`);
}
