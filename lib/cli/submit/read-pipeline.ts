import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { FLUTTER_BUILDER } from "../../build/spec.ts";
import { readInputFile } from "../../driver/program/command-line/read-input-file.ts";
import { describeIssues } from "../../wire/issues.ts";
import type { Pipeline } from "../../wire/resource.ts";
import { problemAt } from "../shared/request/file-text.ts";
import { durationText, FileStep, namesFile, ownPipeline, stepOf } from "../shared/request/own-pipeline.ts";
import { parseYaml, YamlError } from "../shared/request/parse-yaml.ts";

const steps = z.array(
  FileStep.extend({ timeout: z.union([z.int().positive(), durationText]).optional() }),
).min(1, "expected at least one step");

/** A pipeline in a file, with Conveyor's fields; `name` and `resource` may be left out. */
const PipelineFile = z.strictObject({
  name: z.string().min(1).optional(),
  description: z.string().optional(),
  version: z.string().optional(),
  resource: z.literal(FLUTTER_BUILDER).optional(),
  steps,
  metadata: z.unknown().optional(),
});

/**
 * Returns what `--pipeline` names: the pipeline in a file (a list of steps, or an object with `steps`), or a
 * name that the control plane knows. Throws InputError.
 */
export async function readPipeline(named: string): Promise<Pipeline | string> {
  if (named.trim() === "") throw new InputError('--pipeline: Invalid value "": expected a name or a file');
  if (!namesFile(named)) return named;
  const text = await readInputFile("--pipeline", named);
  const { value } = await parseYaml(text).catch((error) => {
    if (!(error instanceof YamlError)) throw error;
    const file = { name: named === "-" ? "stdin" : named, text };
    const message = `It cannot be read as JSON or YAML: ${error.message}`;
    throw new InputError(problemAt(file, error.offset, message), { cause: error });
  });
  const parsed = Array.isArray(value)
    ? z.object({ steps }).safeParse({ steps: value })
    : PipelineFile.safeParse(value);
  if (parsed.success) {
    const { steps, ...fields } = parsed.data;
    return { ...ownPipeline(steps.map(stepOf)), ...fields };
  }
  const source = Array.isArray(value) ? { steps: value } : value;
  throw new InputError(
    `--pipeline: "${named}" is not a pipeline of the type ${FLUTTER_BUILDER}:\n${
      describeIssues(parsed.error, source, "pipeline")
    }`,
  );
}
