import { MAX_MESSAGE_DEPTH, parseJson } from "../../base/json.ts";
import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { Resource } from "../../wire/resource.ts";
import { earlierResults } from "../understand/earlier-results.ts";
import { type Api, askApi } from "./ask-api.ts";

/** The most bytes of a resource, including the results in it. */
const MOST_BYTES = 16 * 1024 * 1024;
/** The server does not decode URLs, so names that would need escaping cannot be read. */
const PLAIN = /^[\w.~-]+$/;

/**
 * Returns the resource's current state on a Conveyor server; `gone` if it does not exist, undefined if that
 * is unknown. Never rejects.
 */
export async function readResource(
  api: Api,
  { type, name, signal, clock }: { type: string; name: string; signal: AbortSignal; clock: Clock },
): Promise<Resource | "gone" | undefined> {
  if (!PLAIN.test(type) || !PLAIN.test(name)) return undefined;
  try {
    const path = `/resources/${type}/${name}`;
    const { status, text } = await askApi(api, { method: "GET", path, signal, clock, mostBytes: MOST_BYTES });
    if (status === 200) return Resource.safeParse(parseJson(text, { maxDepth: MAX_MESSAGE_DEPTH })).data;
    // The server answers 500 for a missing resource; only the text tells.
    return status === 500 && /resource.* not found/.test(text) ? "gone" : undefined;
  } catch (error) {
    processLog("driver").debug("Cannot ask for resource {name}: {why}", { name, why: messageOf(error) });
    return undefined;
  }
}

/**
 * Returns true if the run will not continue: its resource is gone or replaced, or one of its steps has
 * failed.
 */
export function isOver(resource: Resource | "gone", id: string, run: string): resource is "gone" {
  if (isDeleted(resource, id)) return true;
  const current = resource.metadata?.["current_pipeline_run"];
  if (typeof current === "string" && current !== run) return false;
  return Object.values(earlierResults(resource.metadata)).some(({ success }) => !success);
}

/** Returns true if the resource is gone, or another one has its name now. */
export const isDeleted = (resource: Resource | "gone", id: string): resource is "gone" =>
  resource === "gone" || resource.id !== id;
