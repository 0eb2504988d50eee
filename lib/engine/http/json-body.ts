import type { Context } from "hono";
import type { z } from "zod";
import { compactJson } from "../../base/compact-json.ts";
import { InputError } from "../../base/errors.ts";
import { memberText, NestingError, parseJson } from "../../base/json.ts";
import { describeIssues, parseForeign } from "../../wire/issues.ts";
import { limitBody } from "./limit-body.ts";
import { Problem } from "./problem.ts";

/** A request's JSON object. */
export interface JsonBody<T> {
  readonly value: T;
  /**
   * Returns a member's JSON text if parsing and writing it again would change it (big numbers, the order of
   * keys); else undefined.
   */
  readonly textOf: (key: string) => string | undefined;
}

/**
 * Reads the request's body, a JSON object, and calls `work` with it. Throws Problem 415 and 413, and
 * InputError with one line per mistake, each with the path of its field.
 */
export function withJson<Schema extends z.ZodType>(
  context: Context,
  schema: Schema,
  work: (body: JsonBody<z.infer<Schema>>) => Promise<Response>,
): Promise<Response> {
  const type = context.req.header("content-type") ?? "";
  const [media = ""] = type.split(";");
  if (!/json$/i.test(media.trim())) {
    throw new Problem(
      415,
      `Unsupported Content-Type ${JSON.stringify(type.slice(0, 100))}: expected application/json`,
    );
  }
  return limitBody(context, async () => {
    const text = await context.req.text();
    const input = parse(text);
    const parsed = parseForeign(schema, input);
    if (!parsed.success) throw new InputError(describeIssues(parsed.error, withoutSecrets(input), "body"));
    return await work({ value: parsed.data, textOf: (key) => changedText(text, key, input) });
  });
}

/** Writes JSON that is at hand as text. */
export const jsonText = (text: string, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(text, { status, headers: { "Content-Type": "application/json", ...headers } });

function parse(text: string): object {
  let input: unknown;
  try {
    input = parseJson(text);
  } catch (error) {
    if (error instanceof NestingError) throw new InputError(`body: ${error.message}`);
    // The parser's message may quote a secret.
    throw new InputError("body: expected a JSON object, got a text that is not JSON");
  }
  if (typeof input === "object" && input !== null && !Array.isArray(input)) return input;
  throw new InputError(
    `body: expected a JSON object, got ${Array.isArray(input) ? "an array" : kindOf(input)}`,
  );
}

const kindOf = (input: unknown): string => input === null ? "null" : `a ${typeof input}`;

/**
 * Returns the text of a member's value in the JSON text of `input`, if parsing and writing it again would
 * change it; else undefined.
 */
export function changedText(text: string, key: string, input: object): string | undefined {
  const member = memberText(text, key);
  if (member === undefined) return undefined;
  const compact = compactJson(member);
  return compact === JSON.stringify(Reflect.get(input, key)) ? undefined : compact;
}

const withoutSecrets = (input: object): object => "secrets" in input ? { ...input, secrets: "…" } : input;
