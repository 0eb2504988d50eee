import { getPath } from "hono/utils/url";

/** First segments of Conveyor's routes, whose spelling it ignores. */
const FIXED = ["drivers", "health", "logs", "metrics", "pipelines", "resource-definitions", "resources"];

/**
 * Returns the path by which a request finds its route. As at a Conveyor server, trailing slashes and the case
 * of the first segment do not matter; names keep theirs.
 */
export function routePath(request: Request): string {
  const path = getPath(request);
  const end = path.length - (/\/+$/.exec(path)?.[0].length ?? 0);
  const [, first = "", rest = ""] = /^\/([^/]*)(.*)$/.exec(path.slice(0, end)) ?? [];
  const lower = first.toLowerCase();
  return `/${FIXED.includes(lower) ? lower : first}${rest}`;
}
