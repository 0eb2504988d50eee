import { z } from "zod";
import { InputError, messageOf } from "../../base/errors.ts";
import { FLUTTER_BUILDER } from "../../wire/build.ts";
import { describeIssues } from "../../wire/issues.ts";
import { readInputFile } from "../read-input-file.ts";

/** A resource as it is written by hand. Its spec is checked later, when the flags have been laid over it. */
const ResourceFile = z.strictObject({
  id: z.string().optional(),
  name: z.string().min(1).optional(),
  resource: z.literal(FLUTTER_BUILDER),
  pipeline: z.string().optional(),
  metadata: z.record(z.string(), z.string()).nullish(),
  spec: z.record(z.string(), z.unknown()),
});
export type ResourceFile = z.infer<typeof ResourceFile>;

/** Reads a resource, JSON or YAML. Throws InputError that names the file and each problem on a line of its own. */
export async function readResourceFile(path: string): Promise<ResourceFile> {
  const text = await readInputFile("--file", path);
  // Only who names a file waits for its parser.
  const { parse } = await import("yaml");
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new InputError(`--file: "${path}" is neither JSON nor YAML: ${firstLine(messageOf(error))}`, {
      cause: error,
    });
  }
  const parsed = ResourceFile.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new InputError(
    `--file: "${path}" is not a resource of type ${FLUTTER_BUILDER}:\n${
      describeIssues(parsed.error, value, "resource")
    }`,
  );
}

const firstLine = (text: string): string => text.split("\n", 1)[0] ?? "";
