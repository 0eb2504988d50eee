import { MAX_MESSAGE_DEPTH, parseJson } from "../../base/json.ts";
import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { Resource } from "../../wire/resource.ts";
import { earlierResults } from "../understand/earlier-results.ts";
import { type Api, askApi } from "./ask-api.ts";

/** What a resource may have, with room for the results in it. */
const MOST_BYTES = 16 * 1024 * 1024;
/** The server takes no part of a URL apart, so what would have to be escaped there cannot be read back. */
const PLAIN = /^[\w.~-]+$/;

/** The resource as a Conveyor server has it now; `gone` where it has none, undefined where that is not known. Never rejects. */
export async function readResource(
  api: Api,
  { type, name, signal, clock }: { type: string; name: string; signal: AbortSignal; clock: Clock },
): Promise<Resource | "gone" | undefined> {
  if (!PLAIN.test(type) || !PLAIN.test(name)) return undefined;
  try {
    const path = `/resources/${type}/${name}`;
    const { status, text } = await askApi(api, { method: "GET", path, signal, clock, mostBytes: MOST_BYTES });
    if (status === 200) return Resource.safeParse(parseJson(text, { maxDepth: MAX_MESSAGE_DEPTH })).data;
    // What is missing is an error of the server, by its words.
    return status === 500 && /resource.* not found/.test(text) ? "gone" : undefined;
  } catch (error) {
    processLog("driver").debug("Cannot ask for resource {name}: {why}", { name, why: messageOf(error) });
    return undefined;
  }
}

/** Nothing comes any more of a run whose resource is another one by now, or of which a step has failed. */
export function isOver(resource: Resource | "gone", id: string, run: string): resource is "gone" {
  if (resource === "gone" || resource.id !== id) return true;
  const current = resource.metadata?.["current_pipeline_run"];
  if (typeof current === "string" && current !== run) return false;
  return Object.values(earlierResults(resource.metadata)).some(({ success }) => !success);
}
