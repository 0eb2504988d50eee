import { z } from "zod";
import { nearest } from "../base/nearest.ts";
import { knownKeys } from "./known-keys.ts";

const SHOWN = 60;
/** Maximum number of issues listed: the issues of an input may be as large as the input. */
const MAX_LINES = 20;

/** Returns the source text of a value, if it is known and still describes the value; else undefined. */
export type SourceOf = (path: readonly PropertyKey[], value: unknown) => string | undefined;

/** One thing that is wrong with an input. */
export interface Problem {
  /** From the input's root. For an unknown key, the path of the object that has it. */
  readonly path: readonly PropertyKey[];
  /** The key that is wrong in itself: unknown, not its value. */
  readonly key?: string | undefined;
  /** One line: the place, what was expected and what was found. */
  readonly text: string;
}

export interface IssueOptions {
  readonly sourceOf?: SourceOf;
  /** The schema that the input violates: an unknown key is then shown with the nearest known one. */
  readonly schema?: z.ZodType;
}

/**
 * As `schema.safeParse`, for inputs of others: more mistakes than zod can collect on the stack are one
 * mistake, not a RangeError.
 */
export function parseForeign<T extends z.ZodType>(
  schema: T,
  input: unknown,
): z.ZodSafeParseResult<z.output<T>> {
  try {
    return schema.safeParse(input);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const issue = {
      code: "custom" as const,
      path: [],
      message: "expected fewer mistakes than can be listed",
    };
    return { success: false, error: new z.ZodError([{ ...issue, input }]) as z.ZodError<z.output<T>> };
  }
}

/**
 * Describes what is wrong with an input, one line per place:
 * `spec.limits.cpus: expected a number, got "two"`. Values are quoted and shortened. `root` names the input
 * itself; it may be empty.
 */
export function describeIssues(
  error: z.ZodError,
  input: unknown,
  root: string,
  options: IssueOptions = {},
): string {
  return issuesOf(error, input, root, options).map(({ text }) => text).join("\n");
}

/** As `describeIssues`, with the place of each line. */
export function issuesOf(
  error: z.ZodError,
  input: unknown,
  root: string,
  { sourceOf, schema }: IssueOptions = {},
): Problem[] {
  const issues = error.issues.flatMap((issue) => flatten(issue));
  const problems = issues.slice(0, MAX_LINES).map((issue): Problem => {
    const { path } = issue;
    const value = valueAt(input, path);
    // A null may have no text.
    const source = sourceOf?.(path, value) || undefined;
    const place = cut([root, ...path.map(String)].filter((part) => part !== "").join("."), 100);
    const prefix = place === "" ? "" : `${place}: `;
    if (issue.code === "unrecognized_keys") {
      const [key = ""] = issue.keys;
      return { path, key, text: `${prefix}${unknownKeys(issue.keys, schema && knownKeys(schema, path))}` };
    }
    const found = source === undefined ? quote(value) : cut(source, SHOWN);
    const expected = cut(lowerFirst(issue.message), 300);
    return {
      path,
      text: `${prefix}${sourceOf ? inQuotes(expected, value, source) : expected}, got ${found}`,
    };
  });
  if (issues.length > MAX_LINES) problems.push({ path: [], text: `and ${issues.length - MAX_LINES} more` });
  return problems;
}

/** Adds to what was expected of a value in a file that a text there would have needed quotes. */
function inQuotes(expected: string, value: unknown, source: string | undefined): string {
  const [isText, others = ""] = /^expected string( or .*)?$/s.exec(expected) ?? [];
  if (isText === undefined) return expected;
  if (source !== undefined && value !== null) {
    return `expected a text in quotes, like "${cut(source, SHOWN)}"${others && `,${others}`}`;
  }
  return isSplitLine(value) ? `${expected}; a text with ": " in it needs quotes` : expected;
}

/** Whether YAML may have made the value of a line such as `echo a: b`. */
function isSplitLine(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const [inner, ...more] = Object.values(value);
  return more.length === 0 && (inner === null || ["string", "number", "boolean"].includes(typeof inner));
}

function unknownKeys(keys: readonly string[], known: readonly string[] = []): string {
  const named = keys.slice(0, MAX_LINES).map((key) => {
    const meant = nearest(key, known);
    return `${quote(key)}${meant === undefined ? "" : ` (did you mean ${quote(meant)}?)`}`;
  });
  return `unrecognized key${keys.length === 1 ? "" : "s"}: ${named.join(", ")}`;
}

/** For a union, returns the issues of the branch that matched deepest: it shows best what was meant. */
function flatten(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union") return [issue];
  const branches = issue.errors.map((errors) => errors.flatMap(flatten));
  // There may be more than a call can have arguments.
  const depth = (errors: z.core.$ZodIssue[]) => errors.reduce((most, e) => Math.max(most, e.path.length), 0);
  const best = branches.toSorted((a, b) => depth(b) - depth(a))[0];
  if (!best || depth(best) === 0) {
    // A branch of the right type says best what is wrong with the value.
    const ofType = branches.filter((errors) => errors.every(({ code }) => code === "custom"));
    if (ofType.length === 1) return within(issue, ofType[0]);
    const wanted = branches.flat().map((e) => lowerFirst(e.message).replace(/^invalid input: /, ""));
    const [first = "", ...more] = new Set(wanted);
    const others = more.map((other) =>
      first.startsWith("expected ") ? other.replace(/^expected /, "") : other
    );
    return [{ ...issue, message: [first, ...others].join(" or ") } as z.core.$ZodIssue];
  }
  return within(issue, best);
}

const within = ({ path }: z.core.$ZodIssue, errors: readonly z.core.$ZodIssue[] = []) =>
  errors.map((inner) => ({ ...inner, path: [...path, ...inner.path] }));

/** Returns the value at a path; undefined if there is none. */
export function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
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

/**
 * Returns the schema's message without its title, and without the type of what was found, which is quoted.
 */
function lowerFirst(text: string): string {
  const bare = text.replace(/^Invalid input: /, "").replace(/^(expected \w+), received \w+$/, "$1");
  return bare.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
}
