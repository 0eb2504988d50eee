import type { Command, Option, OptionValues } from "@commander-js/extra-typings";
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { flag, listFlag, switchFlag } from "./command-line/flag.ts";
import { oneOf } from "./command-line/values.ts";

/**
 * A policy as flags: a z.object with a field per flag, or a pipe that starts with one (for example to read
 * files). A field `maxTests` is `--max-tests`; a boolean takes no value, an array may be repeated.
 * `.describe()` is its help text. `.meta()` may set `value`, the placeholder of the value (`size`), and
 * `without`, the default in words.
 */
export type PolicySchema<Policy = unknown> = z.ZodType<Policy>;

/** Adds the flags of a policy. Each value is checked against its field when it is parsed. */
export function withPolicyFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
  policy: PolicySchema | undefined,
): Command<A, O, G> {
  for (const [name, field] of fieldsOf(policy)) command.addOption(optionOf(name, field));
  return command;
}

/** Reads the policy from a command's options. Throws InputError that names the flag. */
export async function readPolicy<Policy>(policy: PolicySchema<Policy>, options: object): Promise<Policy> {
  const read = await policy.safeParseAsync(flagsOf(policy, options));
  if (read.success) return read.data;
  const lines = read.error.issues.map(({ path, message }) => `${longOf(String(path[0] ?? ""))}: ${message}`);
  throw new InputError(lines.join("\n"));
}

/** Returns the given options that belong to a policy. */
export function flagsOf(policy: PolicySchema, options: object): Record<string, unknown> {
  const given = fieldsOf(policy).map(([name]) => [name, Reflect.get(options, name)]);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** Returns the names of a policy's flags, with their dashes. Throws TypeError if it is no object of flags. */
export function longsOf(policy: PolicySchema | undefined): string[] {
  return fieldsOf(policy).map(([name]) => longOf(name));
}

function fieldsOf(policy: z.ZodType | undefined): [name: string, field: z.ZodType][] {
  if (policy === undefined) return [];
  if (policy instanceof z.ZodPipe) return fieldsOf(policy.in as z.ZodType);
  if (policy instanceof z.ZodObject) return Object.entries(policy.shape);
  throw new TypeError("A driver's policy is not an object of flags: expected z.object({ … })");
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

/** Returns a field's inner type and the metadata of its layers; outer layers win. */
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

/** Returns the default as it would be typed. */
function defaultOf(field: z.ZodType): string | undefined {
  if (field instanceof z.ZodPrefault) return String(field.def.defaultValue);
  const without = field.safeParse(undefined).data;
  return typeof without === "string" || typeof without === "number" ? String(without) : undefined;
}

/** Checks a typed value and returns the schema's input, which is parsed again with all other values. */
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

/** Adapts a message of zod to the middle of our sentence. */
const lower = (message: string): string =>
  message.replace(/^Invalid input: /, "").replace(/^[A-Z]/, (letter) => letter.toLowerCase());
