import { withoutTrailing } from "../../base/text.ts";
import { getPath } from "hono/utils/url";

/** First segments of Conveyor's routes, whose spelling it ignores. */
const FIXED = ["drivers", "health", "logs", "metrics", "pipelines", "resource-definitions", "resources"];

/**
 * Returns the path by which a request finds its route. As at a Conveyor server, trailing slashes and the case
 * of the first segment do not matter; names keep theirs.
 */
export function routePath(request: Request): string {
  const path = withoutTrailing(getPath(request), "/");
  const end = path.indexOf("/", 1);
  const first = path.slice(1, end < 0 ? undefined : end).toLowerCase();
  if (!FIXED.includes(first)) return path === "" ? "/" : path;
  return `/${first}${end < 0 ? "" : path.slice(end)}`;
}
