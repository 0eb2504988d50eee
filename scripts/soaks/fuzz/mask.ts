import { Buffer } from "node:buffer";
import { maskLines } from "../../../tests/driver/mask-lines.ts";
import { caseOf } from "../../../tests/driver/secret-cases.ts";
import { readablePart, WRITINGS } from "../../../tests/driver/secret-writings.ts";

/**
 * A readable part of a secret of this many bytes is a failure. Fewer may stay at the end of a line that was
 * broken there.
 */
const READABLE = 6;
const WRITERS = Object.entries(WRITINGS);

/** Writes a random secret in a random form, and checks that nothing of it can be read. */
export function fuzzMask(seed: number): void {
  const { secret, choose } = caseOf(seed);
  const [name, write] = WRITERS[choose(WRITERS.length)] ?? ["nothing", () => ""];
  const text = write(secret, choose);
  const shown = maskLines(text, { S: secret }, choose);
  for (const line of secret.split("\n").filter((line) => Buffer.byteLength(line) >= READABLE)) {
    const part = readablePart(shown, line, READABLE);
    if (part !== undefined) {
      throw new Error(`${name}: ${JSON.stringify(part)} of ${JSON.stringify(secret)} in\n${shown}`);
    }
  }
}
