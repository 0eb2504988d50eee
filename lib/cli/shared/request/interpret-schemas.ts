import { config } from "zod";

/**
 * Turns off zod's code generation. A process that parses little saves time: compiling a schema at its first
 * use takes longer than all its uses in one build.
 */
export function interpretSchemas(): void {
  config({ jitless: true });
}
