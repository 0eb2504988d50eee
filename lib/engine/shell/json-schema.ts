import { Ajv, type AnySchema, type ErrorObject, type Options } from "ajv";
import ajv2019 from "ajv/dist/2019.js";
import ajv2020 from "ajv/dist/2020.js";
import ajvDraft4 from "ajv-draft-04";
import draft6 from "ajv/dist/refs/json-schema-draft-06.json" with { type: "json" };
import addFormats from "ajv-formats";
import { InputError, messageOf } from "../../base/errors.ts";
import { linearPattern } from "./linear-pattern.ts";
import { countReferences, ReferenceBudget, TooManyChecksError } from "./reference-budget.ts";
import { addUniqueItems } from "./unique-items.ts";

/** Checks a value and returns one line per mistake, each with its path below `root`; none if it is valid. */
export type SchemaCheck = (value: unknown, root: string) => string[];

/** Maximum number of mistakes listed: those of an input may be as many as its members. */
const MAX_LINES = 20;
/** Maximum number of mistakes that are looked at for that: many may have the same text. */
const MAX_LOOKED_AT = 1000;
/**
 * Maximum number of schemas in a schema: to compile more takes the engine seconds, in which it does nothing
 * else.
 */
const MAX_PARTS = 1000;
/** Most mistakes that a list may have: a schema's parts times the members of a value. */
const MAX_MISTAKES = 100_000;
/**
 * Longest JSON text of a value whose mistakes are all looked for; in a longer one, only the first: they may
 * be as many as its items times the schema's keywords.
 */
const MAX_LISTED = 16 * 1024;
const SHOWN = 60;

const OPTIONS: Options = {
  // Unknown keywords and formats are allowed, as the specification says.
  strict: false,
  inlineRefs: false,
  logger: false,
  // Ajv names its engine in code that it writes as a module; it writes none here.
  // To optimize what is compiled takes ten times as long as to compile it.
  code: { optimize: false, regExp: Object.assign(linearPattern, { code: "linearPattern" }) },
};

type Maker = new (options: Options) => Ajv;
/** CommonJS packages: one runtime gives the class itself, the other an object with it. */
const classIn = (module: unknown): Maker =>
  (typeof module === "function" ? module : (module as { default: unknown }).default) as Maker;

const Draft2020 = classIn(ajv2020);
const DRAFTS: Readonly<Record<string, (options: Options) => Ajv>> = {
  "http://json-schema.org/draft-04/schema": (options) => new (classIn(ajvDraft4))(options),
  "http://json-schema.org/draft-06/schema": (options) => {
    const made = new Ajv(options);
    made.addMetaSchema(draft6);
    return made;
  },
  "http://json-schema.org/draft-07/schema": (options) => new Ajv(options),
  "https://json-schema.org/draft/2019-09/schema": (options) => new (classIn(ajv2019))(options),
  "https://json-schema.org/draft/2020-12/schema": (options) => new Draft2020(options),
};
const DEFAULT_DRAFT = "https://json-schema.org/draft/2020-12/schema";

/**
 * Compiles a JSON Schema of the draft that its `$schema` names (default 2020-12). `format` is always
 * asserted. A `$ref` can reach only the schema itself and the meta schemas: nothing is read from files or the
 * network. A check takes time linear in the value, except for what `linearPattern` says. Throws InputError,
 * which says what is wrong with the schema.
 */
export function compileSchema(schema: unknown): SchemaCheck {
  if (
    typeof schema !== "boolean" && (typeof schema !== "object" || schema === null || Array.isArray(schema))
  ) {
    throw new InputError("expected a JSON Schema: an object, true or false");
  }
  const parts = objectsIn(schema);
  if (parts > MAX_PARTS) {
    throw new InputError(
      `expected a schema of at most ${MAX_PARTS} parts (objects of its JSON), got ${parts}`,
    );
  }
  const findFirst = compiled(schema as AnySchema, false);
  let findAll: Find | undefined;
  const mistakesOf: Find = (value) => {
    const first = findFirst(value);
    if (first.length === 0) return [];
    const isLong = (JSON.stringify(value) ?? "").length > MAX_LISTED;
    if (isLong || parts * membersIn(value) > MAX_MISTAKES) return first;
    findAll ??= compiled(schema as AnySchema, true);
    try {
      return findAll(value);
    } catch (error) {
      if (error instanceof TooManyChecksError) return first;
      throw error;
    }
  };
  const check: SchemaCheck = (value, root) => {
    try {
      return linesOf(mistakesOf(value), value, root);
    } catch (error) {
      if (error instanceof RangeError) return [`${root}: ${ENDLESS}`];
      if (error instanceof TooManyChecksError) return [`${root}: ${TOO_MANY}`];
      throw error;
    }
  };
  // An endless reference, and one that doubles the work again and again, show only when a value is checked.
  try {
    mistakesOf({});
  } catch (error) {
    if (error instanceof RangeError) {
      throw new InputError("expected a schema whose $ref does not lead back to itself");
    }
    if (!(error instanceof TooManyChecksError)) throw error;
    throw new InputError("expected a schema whose $ref lead to fewer checks: an empty object takes too many");
  }
  return check;
}

const ENDLESS = "its schema refers to itself without an end";
const TOO_MANY = "its schema's $ref lead to more checks of it than can be made";

/** Returns the number of objects in a JSON value, itself included. */
function objectsIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : 1;
  return Object.values(value).reduce<number>((sum, inner) => sum + objectsIn(inner), own);
}

/** Returns the number of values in a JSON value, itself included. */
function membersIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce<number>((sum, inner) => sum + membersIn(inner), 1);
}

/** Finds the mistakes of a value: all of them, or the first. Throws RangeError and TooManyChecksError. */
type Find = (value: unknown) => readonly ErrorObject[];

function compiled(schema: AnySchema, allErrors: boolean): Find {
  const named = typeof schema === "object" ? schema["$schema"] : undefined;
  if (named !== undefined && typeof named !== "string") throw new InputError("$schema: expected a text");
  const draft = (named ?? DEFAULT_DRAFT).replace(/#$/, "");
  const make = Object.hasOwn(DRAFTS, draft) ? DRAFTS[draft] : undefined;
  if (!make) {
    throw new InputError(
      `$schema: expected one of ${Object.keys(DRAFTS).join(", ")}, got "${draft.slice(0, 100)}"`,
    );
  }
  if (typeof schema === "object" && "$async" in schema) throw new InputError("expected no $async");
  // An instance remembers schemas by their $id, so each schema gets its own.
  const ajv = make({ ...OPTIONS, allErrors });
  (addFormats as unknown as (ajv: Ajv) => void)(ajv);
  addUniqueItems(ajv);
  const budget = new ReferenceBudget();
  countReferences(ajv, budget);
  budget.begin(schema);
  try {
    const validate = ajv.compile(schema);
    return (value) => {
      budget.begin(value);
      return validate(value) ? [] : validate.errors ?? [];
    };
  } catch (error) {
    throw new InputError(wordsOf(messageOf(error)));
  }
}

const wordsOf = (message: string): string =>
  message.replace(/^schema is invalid: /, "").replace(/\bdata\//g, "/").replace(/ from id \S*$/, "").slice(
    0,
    1000,
  );

function linesOf(errors: readonly ErrorObject[], value: unknown, root: string): string[] {
  const lines = new Set<string>();
  // Many mistakes may be of one value, which may be large.
  const shownAt = new Map<string, string>();
  const show: Show = (instancePath, path) => {
    const known = shownAt.get(instancePath) ?? shown(path, value);
    shownAt.set(instancePath, known);
    return known;
  };
  for (const [i, error] of errors.entries()) {
    if (lines.size === MAX_LINES || i === MAX_LOOKED_AT) return [...lines, `and ${errors.length - i} more`];
    lines.add(lineOf(error, show, root));
  }
  return [...lines];
}

/** Returns the value at a path, shortened. */
type Show = (instancePath: string, path: readonly string[]) => string;

function lineOf(
  { instancePath, message = "is invalid", keyword, params }: ErrorObject,
  show: Show,
  root: string,
): string {
  const path = instancePath.split("/").slice(1).map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~"));
  const extra: unknown = keyword === "additionalProperties" ? params["additionalProperty"] : undefined;
  const more = typeof extra === "string" ? `: ${cut(JSON.stringify(extra), SHOWN)}` : "";
  const allowed: unknown = keyword === "enum" ? params["allowedValues"] : undefined;
  const listed = Array.isArray(allowed)
    ? `: ${cut(allowed.map((one) => JSON.stringify(one)).join(", "), 200)}`
    : "";
  const place = cut([root, ...path].join("."), 100);
  return `${place}: ${cut(message, 300)}${more}${listed}, got ${show(instancePath, path)}`;
}

function shown(path: readonly string[], value: unknown): string {
  const found = path.reduce<unknown>(
    (at, key) =>
      typeof at === "object" && at !== null && Object.hasOwn(at, key) ? Reflect.get(at, key) : undefined,
    value,
  );
  return found === undefined ? "nothing" : cut(JSON.stringify(found) ?? String(found), SHOWN);
}

const cut = (text: string, most: number): string => text.length > most ? `${text.slice(0, most)}…` : text;
