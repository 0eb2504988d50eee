import { z } from "zod";

/**
 * Returns a schema for texts that `parse` accepts; its value is the result of `parse`. An error's message
 * becomes the issue.
 */
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
