import { z } from "zod";

/** A schema for texts that `parse` understands, with what it answers as the value; the message of what it throws becomes the issue. */
export function parsedText<T>(parse: (text: string) => T) {
  return z.string().transform((value, context): T => {
    try {
      return parse(value);
    } catch (error) {
      context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });
}
