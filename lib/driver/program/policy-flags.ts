import type { Command, Option, OptionValues } from "@commander-js/extra-typings";
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { flag, listFlag, switchFlag } from "./command-line/flag.ts";
import { oneOf } from "./command-line/values.ts";

/**
 * A policy as flags: a z.object with a field for each, or a pipe that begins with one, to read files for instance. A field
 * `maxTests` is `--max-tests`; a boolean takes no value, an array may be repeated. `.describe()` is its help, and `.meta()` may
 * say more: `value`, what stands for the value (`size`), and `without`, the default in words.
 */
export type PolicySchema<Policy = unknown> = z.ZodType<Policy>;

/** Adds the flags of a policy. Each value is checked by its field when it is read. */
export function withPolicyFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
  policy: PolicySchema | undefined,
): Command<A, O, G> {
  for (const [name, field] of fieldsOf(policy)) command.addOption(optionOf(name, field));
  return command;
}

/** The policy that a command's options ask for. Throws InputError that names the flag. */
export async function readPolicy<Policy>(policy: PolicySchema<Policy>, options: object): Promise<Policy> {
  const read = await policy.safeParseAsync(flagsOf(policy, options));
  if (read.success) return read.data;
  const lines = read.error.issues.map(({ path, message }) => `${longOf(String(path[0] ?? ""))}: ${message}`);
  throw new InputError(lines.join("\n"));
}

/** Those of a command's options that a policy is read from, as far as they are given. */
export function flagsOf(policy: PolicySchema, options: object): Record<string, unknown> {
  const given = fieldsOf(policy).map(([name]) => [name, Reflect.get(options, name)]);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function fieldsOf(policy: z.ZodType | undefined): [name: string, field: z.ZodType][] {
  if (policy === undefined) return [];
  if (policy instanceof z.ZodPipe) return fieldsOf(policy.in as z.ZodType);
  if (policy instanceof z.ZodObject) return Object.entries(policy.shape);
  throw new TypeError("A driver's policy is no object of flags: expected z.object({ … })");
}

const longOf = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function optionOf(name: string, field: z.ZodType): Option {
  const { inner, meta: { description = "", value, without } } = unwrapped(field);
  const long = longOf(name);
  if (inner instanceof z.ZodBoolean) return switchFlag(long, description);
  const item = inner instanceof z.ZodArray ? unwrapped(inner.element as z.ZodType).inner : inner;
  const usage = `${long} <${value ?? placeholderOf(item)}>`;
  const option = inner instanceof z.ZodArray
    ? listFlag(usage, description, readerOf(item))
    : flag(usage, description, readerOf(item));
  const shown = without ?? defaultOf(field);
  return shown === undefined ? option as Option : option.default(undefined, shown) as unknown as Option;
}

interface FlagMeta {
  readonly description?: string;
  readonly value?: string;
  readonly without?: string;
}

/** What a field is when it is given, and what its layers say about it, the outermost first. */
function unwrapped(field: z.ZodType): { inner: z.ZodType; meta: FlagMeta } {
  const meta = field.meta() as FlagMeta | undefined;
  if (!(field instanceof z.ZodDefault || field instanceof z.ZodOptional)) {
    return { inner: field, meta: meta ?? {} };
  }
  const below = unwrapped(field.unwrap() as z.ZodType);
  return { inner: below.inner, meta: { ...below.meta, ...meta } };
}

const isNumber = (item: z.ZodType): boolean => item instanceof z.ZodNumber;

function placeholderOf(item: z.ZodType): string {
  if (isNumber(item)) return "n";
  return item instanceof z.ZodEnum ? "word" : "text";
}

function defaultOf(field: z.ZodType): string | undefined {
  const without = field.safeParse(undefined).data;
  return typeof without === "string" || typeof without === "number" ? String(without) : undefined;
}

/** Checks a value as it was typed, and answers what the schema takes: it is read once more with all the others. */
function readerOf(item: z.ZodType): (text: string) => unknown {
  if (item instanceof z.ZodEnum) return oneOf(item.options.map(String));
  return (text) => {
    const input = isNumber(item) && /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
    const checked = item.safeParse(input);
    if (checked.success) return input;
    const issue = checked.error.issues[0];
    throw new InputError(
      issue?.code === "custom" ? issue.message : `Invalid value "${text}": ${lower(issue?.message ?? "")}`,
    );
  };
}

/** A message of zod's goes on in a sentence of ours. */
const lower = (message: string): string =>
  message.replace(/^Invalid input: /, "").replace(/^[A-Z]/, (letter) => letter.toLowerCase());
