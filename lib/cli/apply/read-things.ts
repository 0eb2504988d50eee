import { compactJson } from "../../base/compact-json.ts";
import { InputError, messageOf } from "../../base/errors.ts";
import { parseJson } from "../../base/json.ts";
import { readInputFile } from "../../driver/program/command-line/read-input-file.ts";
import { parseAllYaml, YamlError } from "../shared/request/parse-yaml.ts";

/** What a document describes. Types come before the pipelines for them, and these before resources. */
const KINDS = ["resource-definition", "pipeline", "resource"] as const;
export type Kind = (typeof KINDS)[number];

/** The fields of each kind. */
const FIELDS: Readonly<Record<Kind, readonly string[]>> = {
  "resource-definition": ["id", "name", "description", "version", "schema", "pipeline", "drivers"],
  "pipeline": ["name", "description", "version", "resource", "steps", "metadata"],
  "resource": ["id", "name", "resource", "pipeline", "metadata", "spec"],
};

/** A document of a file. */
export interface Thing {
  readonly kind: Kind;
  /** Of a resource: its type. */
  readonly type: string | undefined;
  readonly name: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** The document as JSON, with numbers as they are in the file. */
  readonly text: string;
  /** Its file and document, for messages. */
  readonly where: string;
}

/**
 * Reads definitions, pipelines and resources from files of JSON or YAML, in the order in which they can be
 * created. Throws InputError with a line for each problem.
 */
export async function readThings(files: readonly string[]): Promise<Thing[]> {
  if (files.length === 0) throw new InputError("Expected a file: -f FILE");
  const things: Thing[] = [];
  const problems: string[] = [];
  for (const file of files) {
    for (const { value, text, where } of await documentsOf(file)) {
      const found = thingOf(value, text, where);
      if (typeof found === "string") problems.push(found);
      else things.push(found);
    }
  }
  if (problems.length > 0) throw new InputError(problems.join("\n"));
  return things.toSorted((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
}

/** How messages name a thing: `pipeline app`, `resource flutter-builder/app`. */
export const titleOf = ({ kind, type, name }: Pick<Thing, "kind" | "type" | "name">): string =>
  `${kind} ${type === undefined ? "" : `${type}/`}${name}`;

/** The path of a thing in the API. */
export function pathOf({ kind, type, name }: Pick<Thing, "kind" | "type" | "name">): string {
  const last = encodeURIComponent(name);
  return kind === "resource" ? `/resources/${encodeURIComponent(type ?? "")}/${last}` : `/${kind}s/${last}`;
}

interface Document {
  readonly value: unknown;
  readonly text: string;
  readonly where: string;
}

async function documentsOf(file: string): Promise<Document[]> {
  const text = await readInputFile("--file", file);
  const name = file === "-" ? "stdin" : file;
  const json = jsonIn(text);
  const found = json === undefined ? await yamlIn(text, name) : [{ value: json, json: compactJson(text) }];
  if (found.length === 0) throw new InputError(`${name}: expected a document`);
  return found.map(({ value, json }, i) => ({
    value,
    text: json,
    where: found.length === 1 ? name : `${name}, document ${i + 1}`,
  }));
}

function jsonIn(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

async function yamlIn(text: string, name: string): Promise<{ value: unknown; json: string }[]> {
  try {
    return await parseAllYaml(text);
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw new InputError(`${name}: It cannot be read as JSON or YAML: ${messageOf(error)}`, { cause: error });
  }
}

/** Returns what a document describes, or what is wrong with it. */
function thingOf(value: unknown, text: string, where: string): Thing | string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return `${where}: expected an object, got ${JSON.stringify(value)?.slice(0, 60) ?? String(value)}`;
  }
  const fields = value as Record<string, unknown>;
  const { name, resource } = fields;
  const kind = kindOf(fields);
  if (!kind) {
    return `${where}: expected a resource definition (with "schema"), a pipeline (with "steps") or a resource (with "spec")`;
  }
  const strange = Object.keys(fields).filter((key) => !FIELDS[kind].includes(key));
  if (strange.length > 0) {
    return `${where}: unknown ${JSON.stringify(strange[0])} in a ${kind}: expected some of ${
      FIELDS[kind].join(", ")
    }`;
  }
  if (typeof name !== "string" || name === "") return `${where}: name: expected a text, got ${shown(name)}`;
  if (kind !== "resource") return { kind, type: undefined, name, value: fields, text, where };
  if (typeof resource !== "string" || resource === "") {
    return `${where}: resource: expected the resource's type, got ${shown(resource)}`;
  }
  return { kind, type: resource, name, value: fields, text, where };
}

function kindOf(fields: Record<string, unknown>): Kind | undefined {
  if (Object.hasOwn(fields, "schema")) return "resource-definition";
  if (Object.hasOwn(fields, "steps")) return "pipeline";
  return Object.hasOwn(fields, "spec") ? "resource" : undefined;
}

const shown = (value: unknown): string =>
  value === undefined ? "nothing" : (JSON.stringify(value) ?? "").slice(0, 60);
