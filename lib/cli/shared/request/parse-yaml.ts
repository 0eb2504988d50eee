import type { Document, Scalar } from "yaml";
import { canonicalNumber } from "../../../base/compact-json.ts";
import { messageOf } from "../../../base/errors.ts";
import { MAX_JSON_DEPTH } from "../../../base/json.ts";

/** The same limit as for a resource in JSON. */
const MAX_BYTES = 256 * 1024;
/**
 * Limit of keys and values: the parser compares each key of an object with all others, and expands aliases.
 */
const MAX_ENTRIES = 5000;
const MAX_ALIASES = 100;

/** A syntax node of YAML. */
interface Token {
  readonly type: string;
  readonly items?: readonly { readonly key?: Token | null; readonly value?: Token }[];
  readonly value?: Token;
}

/** A text is no YAML, or too much for the parser. */
export class YamlError extends Error {
  override readonly name = "YamlError";
  /** Where in the text; undefined for the whole. */
  readonly offset: number | undefined;

  constructor(message: string, offset?: number) {
    super(message);
    this.offset = offset;
  }
}

/**
 * Parses untrusted YAML, which includes JSON. Refuses text that would take the parser more than a moment.
 * Throws YamlError with a message of one line.
 */
export async function parseYaml(text: string): Promise<{ document: Document; value: unknown }> {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BYTES) throw new YamlError(`it has ${bytes} bytes, expected ${MAX_BYTES} at most`);
  // Only a build with a file loads the parser.
  const { parseDocument, Parser, visit } = await import("yaml");
  for (const document of new Parser().parse(text)) checkSize(document as Token);
  // Otherwise the parser computes the line of each of its errors.
  const document = parseDocument(text, { logLevel: "error", prettyErrors: false });
  const unknownTag = document.warnings.find(({ code }) => code === "TAG_RESOLVE_FAILED");
  const [error = unknownTag] = document.errors;
  if (error?.code === "MULTIPLE_DOCS") {
    throw new YamlError("it has several documents: expected one", error.pos[0]);
  }
  if (error) throw new YamlError(error.message, error.pos[0]);
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document)) return;
      throw new YamlError(`nothing before it has the anchor "${alias.source}"`, alias.range?.[0]);
    },
  });
  return { document, value: valueOf(document) };
}

/**
 * As `parseYaml`, for a text that may hold several documents. Returns their values, and as JSON texts in
 * which numbers have the digits that they have in the text.
 */
export async function parseAllYaml(text: string): Promise<{ value: unknown; json: string }[]> {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BYTES) throw new YamlError(`it has ${bytes} bytes, expected ${MAX_BYTES} at most`);
  const { parseAllDocuments, Parser, visit } = await import("yaml");
  for (const document of new Parser().parse(text)) checkSize(document as Token);
  const documents = parseAllDocuments(text, { logLevel: "silent", prettyErrors: false });
  return Array.from(documents, (document) => {
    const [error] = document.errors;
    if (error) throw new YamlError(error.message, error.pos[0]);
    const value = valueOf(document);
    visit(document, {
      Scalar: (key, node) => {
        if (key !== "key" && typeof node.value === "number") node.value = new SourceNumber(node);
      },
    });
    return { value, json: jsonOf(valueOf(document)) };
  }).filter(({ value }) => value !== null && value !== undefined);
}

/** A number with its digits in the text. */
class SourceNumber {
  /** The number as JSON. */
  readonly json: string;

  constructor({ value, source = "", range }: Scalar) {
    if (!Number.isFinite(value)) {
      throw new YamlError(`${source} is no number in JSON: expected one, or a text in quotes`, range?.[0]);
    }
    const [, sign = "", whole, fraction, exponent = ""] =
      /^([+-]?)0*(\d*)(?:\.(\d*))?([eE][+-]?\d+)?$/.exec(source) ?? [];
    this.json = whole === undefined
      ? String(BigInt(source))
      : `${sign === "-" ? "-" : ""}${whole || "0"}${fraction ? `.${fraction}` : ""}${exponent}`;
  }
}

/** Writes a value of YAML as JSON. */
function jsonOf(value: unknown): string {
  if (value instanceof SourceNumber) return value.json;
  if (Array.isArray(value)) return `[${value.map(jsonOf).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${jsonOf(inner)}`);
  return `{${members.join()}}`;
}

/**
 * Throws YamlError for a whole number in a document, or below a path in it, that would become another one.
 */
export async function refuseRounded(document: Document, path: readonly string[] = []): Promise<void> {
  const { isNode, visit } = await import("yaml");
  const node = document.getIn(path, true);
  if (isNode(node)) visit(node, { Scalar: (_, scalar) => checkKept(scalar) });
}

function checkKept({ value, source = "", range }: Scalar): void {
  if (typeof value !== "number" || !/^[+-]?\d+$/.test(source)) return;
  if (Number.isFinite(value) && canonicalNumber(source) === canonicalNumber(BigInt(value).toString())) return;
  throw new YamlError(
    `${source} would not be kept exactly: expected a smaller number, or a text in quotes`,
    range?.[0],
  );
}

function valueOf(document: Pick<Document, "toJS">): unknown {
  try {
    // The parser counts the anchor too.
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES + 1 });
    if (!hasCircle(value)) return value;
  } catch (cause) {
    throw new YamlError(messageOf(cause));
  }
  throw new YamlError("an alias in it leads back to itself");
}

/** Whether a value contains itself. Looks at each object once. */
function hasCircle(value: unknown, above = new Set<unknown>(), done = new Set<unknown>()): boolean {
  if (typeof value !== "object" || value === null || done.has(value)) return false;
  if (above.has(value)) return true;
  above.add(value);
  const found = Object.values(value).some((inner) => hasCircle(inner, above, done));
  above.delete(value);
  done.add(value);
  return found;
}

/** Checks the size without recursion, which too deep a text would break. */
function checkSize(document: Token): void {
  const open: { token: Token; depth: number }[] = [{ token: document, depth: 1 }];
  let entries = 0;
  let aliases = 0;
  for (let next = open.pop(); next; next = open.pop()) {
    const { token, depth } = next;
    if (token.items && depth > MAX_JSON_DEPTH) {
      throw new YamlError(`it is nested more than ${MAX_JSON_DEPTH} deep`);
    }
    if (token.type === "alias" && ++aliases > MAX_ALIASES) {
      throw new YamlError(`it has more than ${MAX_ALIASES} aliases`);
    }
    if (token.value) open.push({ token: token.value, depth });
    for (const { key, value } of token.items ?? []) {
      if (++entries > MAX_ENTRIES) throw new YamlError(`it has more than ${MAX_ENTRIES} entries`);
      for (const inner of [key, value]) if (inner) open.push({ token: inner, depth: depth + 1 });
    }
  }
}
