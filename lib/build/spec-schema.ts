import { z } from "zod";
import { BuildSpec } from "./spec.ts";

/**
 * JSON Schema (draft 2020-12) of what may stand in the `spec` of a build: made of the schema that the drivers check with,
 * so that a server refuses what they would. Limits that it cannot tell (a duration's form) are left to them.
 */
export function buildSpecSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(BuildSpec, { io: "input" }) };
}
