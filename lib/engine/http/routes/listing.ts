import { z } from "zod";
import type { Table } from "../../../backend/store.ts";

const MAX_PAGE = 1000;

/** Parameters of the lists that Conveyor's clients expect as arrays. */
export const ListQuery = z.object({
  limit: z.coerce.number().pipe(z.int().min(1).max(MAX_PAGE)).default(MAX_PAGE),
  after: z.string().optional().describe("Where the page before ended, as in its Link header"),
});
export type ListQuery = z.infer<typeof ListQuery>;

export const LIST_HEADERS = `An array; while there are more, a Link header leads to the next page`;

/**
 * Returns one page of the entries whose key begins with `prefix`, and the headers that lead to the next one.
 */
export async function listPage<T>(
  table: Pick<Table<T>, "list">,
  { limit, after, prefix = "", path }: ListQuery & { prefix?: string; path: string },
): Promise<{ values: T[]; headers: Record<string, string> }> {
  const start = after !== undefined && after > prefix ? after : prefix;
  const found = await table.list({ after: start, limit: limit + 1 });
  const entries = found.filter(({ key }) => key.startsWith(prefix));
  const page = entries.slice(0, limit);
  const last = page.at(-1)?.key ?? "";
  const next = `${path}?limit=${limit}&after=${encodeURIComponent(last)}`;
  return {
    values: page.map(({ value }) => value),
    headers: entries.length > limit ? { Link: `<${next}>; rel="next"` } : {},
  };
}
