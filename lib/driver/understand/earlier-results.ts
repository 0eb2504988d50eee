import { DriverResult, type Resource, token } from "../../wire/resource.ts";
import { parseJson } from "../../base/json.ts";

const FLAT = "driverresults.";
const NESTED = "driverresults";

/**
 * Results of the pipeline's earlier drivers, by driver, from a resource's metadata. Depending on their
 * version, servers store them as JSON text or an object under `driverresults.<driver>`, or as an object
 * within `driverresults` (protocol 3). Anything else is ignored. A Conveyor server also keeps results of
 * earlier runs there.
 */
export function earlierResults(metadata: Resource["metadata"]): Record<string, DriverResult> {
  const found: [string, unknown][] = [];
  const nested = metadata?.[NESTED];
  if (typeof nested === "object" && nested !== null) {
    for (const entry of Object.entries(nested)) found.push(entry);
  }
  for (const [key, value] of Object.entries(metadata ?? {})) {
    if (key.startsWith(FLAT)) found.push([key.slice(FLAT.length), value]);
  }
  const results = found.flatMap(([driver, value]): [string, DriverResult][] => {
    const result = DriverResult.safeParse(typeof value === "string" ? fromText(value) : value);
    return result.success && token.safeParse(driver).success ? [[driver, result.data]] : [];
  });
  return Object.fromEntries(results);
}

function fromText(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
