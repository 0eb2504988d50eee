import { type ApiOptions, httpApi } from "../../../lib/engine/http/api.ts";
import type { EngineOptions } from "../../../lib/engine/shell/engine.ts";
import { namesOf } from "../../../lib/engine/http/hosts.ts";
import { documented } from "./documented.ts";
import { stepsOf, TYPE } from "./runs.ts";
import type { World } from "./world.ts";

export const TOKEN = "the-token";
export const PIPELINE = { name: "line", resource: TYPE, steps: stepsOf("a b!") };
export const RESOURCE = { name: "one", resource: TYPE, spec: { size: 1 } };

export interface Ask {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/**
 * Opens an API to an engine in a new world. `ask` calls it as its owner unless told otherwise, and fails if
 * /openapi.json does not describe the answer.
 */
export async function openApi(
  world: World,
  options: Partial<ApiOptions> = {},
  engineOptions: Partial<EngineOptions> = {},
) {
  const engine = await world.engine(engineOptions);
  const fetch = httpApi({
    engine,
    store: world.store,
    token: TOKEN,
    isOurHost: namesOf("127.0.0.1", "here"),
    resourceTypes: [{ name: TYPE, pipeline: PIPELINE }],
    broadcast: (subject, data) => world.transport.broadcast(subject, data),
    draining: new AbortController().signal,
    ...options,
  });
  const check = documented(fetch);
  const ask = async (method: string, path: string, { body, headers = {}, signal }: Ask = {}) => {
    const isReady = body === undefined || typeof body === "string" || body instanceof Uint8Array;
    const text = isReady ? body as string : JSON.stringify(body);
    const response = await fetch(
      new Request(`http://127.0.0.1:8080${path}`, {
        method,
        headers: { host: "127.0.0.1:8080", authorization: `Bearer ${TOKEN}`, ...headers },
        ...text !== undefined && { body: text },
        ...signal && { signal },
      }),
    );
    await check(method, path, response);
    return {
      response,
      status: response.status,
      text: () => response.text(),
      json: async () => await response.json() as Record<string, unknown>,
    };
  };
  return { engine, ask, fetch };
}
