import { z } from "zod";
import { BuildSpec } from "./spec.ts";

/**
 * Returns the JSON Schema (draft 2020-12) of a build's `spec`. It is generated from the schema that the
 * drivers validate with, so a server refuses the same specs. The drivers alone check what JSON Schema cannot
 * express, such as the form of a duration.
 */
export function buildSpecSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(BuildSpec, { io: "input" }) };
}
