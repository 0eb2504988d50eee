import { DockerError } from "./docker.ts";
import { parseJson } from "../base/json.ts";
import { linesOf } from "../base/lines.ts";

/** Maximum length of a line, characters: events and progress are far shorter. */
const MAX_LINE = 1024 * 1024;

/** Yields the objects of a body with one JSON object per line. */
export async function* jsonLines(
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Record<string, unknown>, void, undefined> {
  const tooLong = () =>
    new DockerError(`Docker answered a line of more than ${MAX_LINE} characters: expected less`, {
      status: 0,
    });
  for await (const line of linesOf(bytes, { hasEnd: true, most: MAX_LINE, tooLong })) {
    if (line.trim() !== "") yield parseLine(line);
  }
}

function parseLine(line: string): Record<string, unknown> {
  try {
    return parseJson(line) as Record<string, unknown>;
  } catch (cause) {
    throw new DockerError(`Docker answered "${line.slice(0, 200)}": expected a line of JSON`, {
      status: 0,
      cause,
    });
  }
}
