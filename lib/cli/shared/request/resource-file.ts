import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type YAMLMap } from "yaml";
import { z } from "zod";
import { InputError } from "../../../base/errors.ts";
import { FLUTTER_BUILDER } from "../../../build/spec.ts";
import { issuesOf, type Problem, type SourceOf, valueAt } from "../../../wire/issues.ts";
import { readInputFile } from "../../../driver/program/command-line/read-input-file.ts";
import { type FileText, problemAt } from "./file-text.ts";
import { FilePipeline } from "./own-pipeline.ts";
import { parseYaml, refuseRounded, YamlError } from "./parse-yaml.ts";

/** A resource in a file. Its spec is checked later, after the flags are merged into it. */
const ResourceFields = z.strictObject({
  id: z.string().optional(),
  name: z.string().min(1).optional(),
  resource: z.literal(FLUTTER_BUILDER),
  pipeline: FilePipeline.optional(),
  metadata: z.record(z.string(), z.string()).nullish(),
  spec: z.record(z.string(), z.unknown()),
});

export interface ResourceFile extends z.infer<typeof ResourceFields> {
  /** Returns the source text of a number, `true` or `null` in the file. */
  readonly sourceOf: SourceOf;
  /**
   * Returns the text of a problem with its place in the file. `value`: what was found at the path; if the
   * file has something else there, the problem is not the file's, and its text is returned as it is.
   */
  readonly locate: (problem: Problem, value: unknown) => string;
}

/** Reads a resource from JSON or YAML. Throws InputError that names the file, line and column. */
export async function readResourceFile(path: string): Promise<ResourceFile> {
  const text = await readInputFile("--file", path);
  return await parseResourceFile({ name: path === "-" ? "stdin" : path, text });
}

/** Like `readResourceFile`, for a text that was read already. */
export async function parseResourceFile(file: FileText): Promise<ResourceFile> {
  const atPlace = (what: string) => (error: unknown): never => {
    if (!(error instanceof YamlError)) throw error;
    throw new InputError(problemAt(file, error.offset, `${what}: ${error.message}`), { cause: error });
  };
  const { document, value } = await parseYaml(file.text).catch(atPlace("It cannot be read as JSON or YAML"));
  // Only what other drivers take can have such numbers: every field of a build's own has its bounds.
  await refuseRounded(document, ["spec", "drivers"]).catch(atPlace("spec.drivers"));
  const sourceOf: SourceOf = (path, given) => {
    const node = nodeAt(document, path);
    if (typeof given === "string" || !isScalar(node) || node.value !== given) return undefined;
    return node.source;
  };
  const locate: ResourceFile["locate"] = ({ path, key, text }, given) => {
    const found = valueAt(value, path);
    const isOfFile = JSON.stringify(found) === JSON.stringify(given) ||
      (key !== undefined && valueAt(found, [key]) !== undefined);
    return isOfFile ? problemAt(file, offsetOf(document, path, key), text) : text;
  };
  const parsed = ResourceFields.safeParse(value);
  if (parsed.success) return { ...parsed.data, sourceOf, locate };
  const problems = issuesOf(parsed.error, value, "", { sourceOf, schema: ResourceFields });
  throw new InputError(
    [
      `${file.name}: It is not a resource of type ${FLUTTER_BUILDER}`,
      ...problems.map(({ path, key, text }) => problemAt(file, offsetOf(document, path, key), text)),
    ].join("\n"),
  );
}

function nodeAt(document: Document, path: readonly PropertyKey[]): unknown {
  const resolved = (node: unknown) => isAlias(node) ? node.resolve(document) : node;
  return path.reduce<unknown>((at, step) => {
    const node = resolved(at);
    return resolved(
      isSeq(node) ? node.items[Number(step)] : isMap(node) ? pairOf(node, step)?.value : undefined,
    );
  }, document.contents);
}

const pairOf = ({ items }: YAMLMap, step: PropertyKey) =>
  items.find(({ key }) => isScalar(key) && String(key.value) === String(step));

/** Returns where the value at a path begins, or the key in it. The nearest thing around what is missing. */
function offsetOf(
  document: Document,
  path: readonly PropertyKey[],
  key: string | undefined,
): number | undefined {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0];
  for (const step of key === undefined ? path : [...path, key]) {
    if (isAlias(node)) node = node.resolve(document);
    if (isSeq(node)) {
      node = node.items[Number(step)];
      if (isNode(node)) offset = node.range?.[0] ?? offset;
    } else if (isMap(node)) {
      const pair = pairOf(node, step);
      if (!pair) break;
      const isValueShort = isScalar(pair.value) || isAlias(pair.value);
      const meant = step === key || !isValueShort ? pair.key : pair.value;
      if (isNode(meant)) offset = meant.range?.[0] ?? offset;
      node = pair.value;
    } else break;
  }
  return offset;
}
