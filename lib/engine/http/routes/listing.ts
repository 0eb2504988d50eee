import { z } from "zod";
import type { Table } from "../../../backend/store.ts";
import { jsonText } from "../json-body.ts";

const MAX_PAGE = 1000;

/** Parameters of the lists that Conveyor's clients expect as arrays. */
export const ListQuery = z.object({
  limit: z.coerce.number().pipe(z.int().min(1).max(MAX_PAGE)).default(MAX_PAGE),
  after: z.string().optional().describe("Where the page before ended, as in its Link header"),
});
export type ListQuery = z.infer<typeof ListQuery>;

export const LIST_HEADERS = `An array; while there are more, a Link header leads to the next page`;

/** Entries read at a time, and the characters that end a page: an entry may be as large as a request. */
const SLICE = 32;
const MOST_CHARS = 4 * 1024 * 1024;

/**
 * Returns one page of the entries whose key begins with `prefix`, each as JSON text, and the headers that
 * lead to the next one. A page ends early if its entries are large.
 */
export async function listPage<T>(
  table: Pick<Table<T>, "list">,
  { limit, after, prefix = "", path, textOf }: ListQuery & {
    prefix?: string;
    path: string;
    textOf: (value: T) => string | Promise<string>;
  },
): Promise<{ texts: string[]; headers: Record<string, string> }> {
  const texts: string[] = [];
  let chars = 0;
  let last = after !== undefined && after > prefix ? after : prefix;
  for (;;) {
    const wanted = Math.min(SLICE, limit + 1 - texts.length);
    const found = await table.list({ after: last, limit: wanted });
    for (const { key, value } of found) {
      if (!key.startsWith(prefix)) return { texts, headers: {} };
      if (texts.length === limit || chars >= MOST_CHARS) {
        const next = `${path}?limit=${limit}&after=${encodeURIComponent(last)}`;
        return { texts, headers: { Link: `<${next}>; rel="next"` } };
      }
      const text = await textOf(value);
      chars += text.length;
      texts.push(text);
      last = key;
    }
    if (found.length < wanted) return { texts, headers: {} };
  }
}

/** Answers a page of a table. The first page begins with what is part of the program. */
export async function answerList<T>(
  table: Pick<Table<T>, "list">,
  query: ListQuery,
  { path, registered, textOf }: {
    path: string;
    registered: () => readonly T[] | Promise<readonly T[]>;
    textOf: (value: T) => string;
  },
): Promise<Response> {
  const { texts, headers } = await listPage(table, { ...query, path, textOf });
  const first = query.after === undefined ? await registered() : [];
  return jsonText(`[${[...first.map(textOf), ...texts].join()}]`, 200, headers);
}
