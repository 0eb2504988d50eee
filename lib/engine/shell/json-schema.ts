import { Ajv, type AnySchema, type ErrorObject, type Options, type ValidateFunction } from "ajv";
import ajv2019 from "ajv/dist/2019.js";
import ajv2020 from "ajv/dist/2020.js";
import ajvDraft4 from "ajv-draft-04";
import draft6 from "ajv/dist/refs/json-schema-draft-06.json" with { type: "json" };
import addFormats from "ajv-formats";
import { InputError, messageOf } from "../../base/errors.ts";

/** Checks a value and returns one line per mistake, each with its path below `root`; none if it is valid. */
export type SchemaCheck = (value: unknown, root: string) => string[];

/** Maximum number of mistakes listed: those of an input may be as many as its members. */
const MAX_LINES = 20;
const SHOWN = 60;

const OPTIONS: Options = {
  // Unknown keywords and formats are allowed, as the specification says.
  strict: false,
  allErrors: true,
  inlineRefs: false,
  logger: false,
};

type Maker = new (options: Options) => Ajv;
/** CommonJS packages: one runtime gives the class itself, the other an object with it. */
const classIn = (module: unknown): Maker =>
  (typeof module === "function" ? module : (module as { default: unknown }).default) as Maker;

const Draft2020 = classIn(ajv2020);
const DRAFTS: Readonly<Record<string, () => Ajv>> = {
  "http://json-schema.org/draft-04/schema": () => new (classIn(ajvDraft4))(OPTIONS),
  "http://json-schema.org/draft-06/schema": () => {
    const made = new Ajv(OPTIONS);
    made.addMetaSchema(draft6);
    return made;
  },
  "http://json-schema.org/draft-07/schema": () => new Ajv(OPTIONS),
  "https://json-schema.org/draft/2019-09/schema": () => new (classIn(ajv2019))(OPTIONS),
  "https://json-schema.org/draft/2020-12/schema": () => new Draft2020(OPTIONS),
};
const DEFAULT_DRAFT = "https://json-schema.org/draft/2020-12/schema";

/**
 * Compiles a JSON Schema of the draft that its `$schema` names (default 2020-12). `format` is always
 * asserted. A `$ref` can reach only the schema itself and the meta schemas: nothing is read from files or
 * the network. Throws InputError, which says what is wrong with the schema.
 */
export function compileSchema(schema: unknown): SchemaCheck {
  if (
    typeof schema !== "boolean" && (typeof schema !== "object" || schema === null || Array.isArray(schema))
  ) {
    throw new InputError("expected a JSON Schema: an object, true or false");
  }
  const validate = compiled(schema as AnySchema);
  const check: SchemaCheck = (value, root) => {
    try {
      return validate(value) ? [] : linesOf(validate.errors ?? [], value, root);
    } catch (error) {
      if (error instanceof RangeError) return [`${root}: its schema refers to itself without an end`];
      throw error;
    }
  };
  // An endless reference shows only when a value is checked.
  const endless = check({}, "schema").find((line) => line.endsWith("without an end"));
  if (endless !== undefined) {
    throw new InputError("expected a schema whose $ref does not lead back to itself");
  }
  return check;
}

function compiled(schema: AnySchema): ValidateFunction {
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
  const ajv = make();
  (addFormats as unknown as (ajv: Ajv) => void)(ajv);
  try {
    return ajv.compile(schema);
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
  const lines = errors.map((error) => lineOf(error, value, root));
  const shown = [...new Set(lines)];
  if (shown.length <= MAX_LINES) return shown;
  return [...shown.slice(0, MAX_LINES), `and ${shown.length - MAX_LINES} more`];
}

function lineOf(
  { instancePath, message = "is invalid", keyword, params }: ErrorObject,
  value: unknown,
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
  return `${place}: ${cut(message, 300)}${more}${listed}, got ${shown(path, value)}`;
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
