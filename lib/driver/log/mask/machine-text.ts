/**
 * Keys of results that programs read: the keys of `data` in the results of the four drivers, and those of a
 * result itself. They are never masked, whatever a secret's value is.
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

/** The values of these keys are ids and words of closed sets, which later steps use. */
const FIXED_VALUES = new Set(["commit", "containerID", "driver", "host", "reason", "ref", "run", "sha256"]);

/** A hexadecimal id or a UUID. */
const ID = /^(?:[0-9a-f]{12,128}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

/**
 * Returns a copy of a JSON value in which `mask` is applied to texts for people, but not to texts for
 * programs.
 */
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

/** Masks an id only if all of it is a secret; an id that contains a short secret is unchanged. */
function maskText(text: string, mask: (text: string) => string): string {
  const masked = mask(text);
  return ID.test(text) && masked !== "***" ? text : masked;
}
