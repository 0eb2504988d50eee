/**
 * Keys of results that programs read: those of `data` in the results of the four drivers, and of what a result consists
 * of. They are never masked, whatever a secret's value is.
 */
const FIXED_KEYS = new Set([
  "artifacts",
  "command",
  "commands",
  "commit",
  "containerID",
  "data",
  "driver",
  "exitCode",
  "host",
  "image",
  "message",
  "name",
  "path",
  "reason",
  "ref",
  "run",
  "seconds",
  "sha256",
  "size",
  "skipped",
  "success",
]);

/** Of these keys the values are ids and words of closed sets, which later steps work with. */
const FIXED_VALUES = new Set(["commit", "containerID", "driver", "host", "reason", "ref", "run", "sha256"]);

/** A hexadecimal id or a UUID. */
const ID = /^(?:[0-9a-f]{12,128}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

/** A copy of a JSON value in which `mask` has been applied to what people read, and to nothing that programs read. */
export function maskTexts(value: unknown, mask: (text: string) => string): unknown {
  if (typeof value === "string") return maskText(value, mask);
  if (Array.isArray(value)) return value.map((inner) => maskTexts(inner, mask));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (typeof inner === "string" && FIXED_VALUES.has(key)) return [key, inner];
      return [FIXED_KEYS.has(key) ? key : mask(key), maskTexts(inner, mask)];
    }),
  );
}

/** An id that is a secret is hidden; one that happens to hold a secret's few digits stays whole. */
function maskText(text: string, mask: (text: string) => string): string {
  const masked = mask(text);
  return ID.test(text) && masked !== "***" ? text : masked;
}
