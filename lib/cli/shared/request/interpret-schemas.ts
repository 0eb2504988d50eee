import { config } from "zod";

/**
 * For a process that parses little: at its first use zod compiles a schema into code, which takes longer than all uses in
 * one build do.
 */
export function interpretSchemas(): void {
  config({ jitless: true });
}
