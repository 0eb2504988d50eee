import { Buffer } from "node:buffer";
import { LineCutter } from "../../lib/driver/log/lines.ts";
import { maskOf } from "../../lib/driver/log/mask/mask.ts";
import { type Choose, inPieces } from "../support/chooser.ts";

/** The lines of a text as they stand in a log, when it comes in pieces of sizes that are chosen. */
export function maskLines(text: string, secrets: Readonly<Record<string, string>>, choose: Choose): string {
  const lines: string[] = [];
  const cutter = new LineCutter({
    mask: maskOf(secrets),
    clock: () => 0,
    take: (bytes, start, end) => lines.push(Buffer.from(bytes.subarray(start, end)).toString()),
  });
  for (const piece of inPieces(Buffer.from(text), choose, 200)) cutter.feed(piece, 0, () => false);
  cutter.flush();
  return lines.join("\n");
}
