import { z } from "zod";
import { InputError, messageOf } from "../../../base/errors.ts";
import { FLUTTER_BUILDER } from "../../../build/spec.ts";
import { describeIssues, type SourceOf } from "../../../wire/issues.ts";
import { readInputFile } from "../../../driver/program/command-line/read-input-file.ts";
import { FilePipeline } from "./own-pipeline.ts";
import { parseYaml } from "./parse-yaml.ts";

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
}

/** Reads a resource from JSON or YAML. Throws InputError that names the file, with one line per problem. */
export async function readResourceFile(path: string): Promise<ResourceFile> {
  const text = await readInputFile("--file", path);
  const { document, value } = await parseYaml(text).catch((error) => {
    throw new InputError(`--file: "${path}" cannot be read as JSON or YAML: ${messageOf(error)}`);
  });
  const { isScalar } = await import("yaml");
  const sourceOf: SourceOf = (path, value) => {
    const node = document.getIn(path, true);
    if (typeof value === "string" || !isScalar(node) || node.value !== value) return undefined;
    return node.source;
  };
  const parsed = ResourceFields.safeParse(value);
  if (parsed.success) return { ...parsed.data, sourceOf };
  throw new InputError(
    `--file: "${path}" is not a resource of type ${FLUTTER_BUILDER}:\n${
      describeIssues(parsed.error, value, "resource", sourceOf)
    }`,
  );
}
