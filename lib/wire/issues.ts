import type { z } from "zod";

const SHOWN = 60;
/** Maximum number of issues listed: the issues of an input may be as large as the input. */
const MAX_LINES = 20;

/** Returns the source text of a value, if it is known and still describes the value; else undefined. */
export type SourceOf = (path: readonly PropertyKey[], value: unknown) => string | undefined;

/**
 * Describes what is wrong with an input, one line per place:
 * `spec.limits.cpus: expected a number, got "two"`. Values are quoted and shortened. `root` names the input
 * itself.
 */
export function describeIssues(
  error: z.ZodError,
  input: unknown,
  root: string,
  sourceOf: SourceOf = () => undefined,
): string {
  const issues = error.issues.flatMap((issue) => flatten(issue));
  const lines = issues.slice(0, MAX_LINES).map((issue) => {
    const value = at(input, issue.path);
    const source = sourceOf(issue.path, value);
    const place = cut([root, ...issue.path.map(String)].join("."), 100);
    const isText = issue.code === "invalid_type" && issue.expected === "string";
    if (source !== undefined && isText) {
      return `${place}: expected a text in quotes, like "${cut(source, SHOWN)}", got ${cut(source, SHOWN)}`;
    }
    return `${place}: ${cut(lowerFirst(issue.message), 300)}, got ${
      source === undefined ? quote(value) : cut(source, SHOWN)
    }`;
  });
  if (issues.length > MAX_LINES) lines.push(`and ${issues.length - MAX_LINES} more`);
  return lines.join("\n");
}

/** For a union, returns the issues of the branch that matched deepest: it shows best what was meant. */
function flatten(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union") return [issue];
  const branches = issue.errors.map((errors) => errors.flatMap(flatten));
  const depth = (errors: z.core.$ZodIssue[]) => Math.max(0, ...errors.map((e) => e.path.length));
  const best = branches.toSorted((a, b) => depth(b) - depth(a))[0];
  if (!best || depth(best) === 0) {
    const wanted = branches.flat().map((e) => lowerFirst(e.message).replace(/^invalid input: /, ""));
    return [{ ...issue, message: [...new Set(wanted)].join(" or ") } as z.core.$ZodIssue];
  }
  return best.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

function at(input: unknown, path: PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function quote(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value) ?? String(value);
  return cut(text, SHOWN);
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

function lowerFirst(text: string): string {
  return text.replace(/^Invalid input: /, "").replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
}
