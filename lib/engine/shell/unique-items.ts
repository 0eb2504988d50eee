import type { Ajv } from "ajv";

/**
 * Replaces Ajv's `uniqueItems`, which compares every item with every other, by one that takes time linear in
 * the array's text.
 */
export function addUniqueItems(ajv: Ajv): void {
  ajv.removeKeyword("uniqueItems");
  ajv.addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    error: { message: "must NOT have duplicate items" },
    validate: (isWanted: boolean, items: readonly unknown[]) => !isWanted || areUnique(items),
  });
}

function areUnique(items: readonly unknown[]): boolean {
  const seen = new Set<string>();
  return items.every((item) => seen.size < seen.add(canonical(item)).size);
}

/** Writes a JSON value so that equal values have one text, whatever the order of their keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== "object" || inner === null) return inner;
    if (Array.isArray(inner)) return ["[", ...inner];
    return ["{", ...Object.entries(inner).sort(([a], [b]) => a < b ? -1 : 1)];
  });
}
