import type { ExecSpec } from "../../docker/docker.ts";
import { exec, type ExecContext } from "./exec.ts";

/** Longest text that is read, characters: more than any path. */
const MOST_CHARACTERS = 64 * 1024;

/**
 * Runs a command and calls `take` with each text of its output that `end` follows, however many there are.
 * What the command prints goes nowhere else. `isCut`: a text was too long and was left out.
 */
export async function eachText(
  context: ExecContext,
  container: string,
  spec: ExecSpec,
  { end, take }: { end: string; take: (text: string) => void },
): Promise<{ readonly exitCode: number; readonly isCut: boolean }> {
  const decoder = new TextDecoder();
  const state = { rest: "", isCut: false };
  const give = (text: string) => {
    if (text.length > MOST_CHARACTERS) state.isCut = true;
    else take(text);
  };
  const exitCode = await exec(context, container, {
    ...spec,
    intercept: ({ stream, data }) => {
      if (stream === "stderr") return true;
      const texts = decoder.decode(data, { stream: true }).split(end);
      texts[0] = state.rest + (texts[0] ?? "");
      // One character more than allowed is kept of a text that is too long, so that it counts as such.
      state.rest = (texts.pop() ?? "").slice(0, MOST_CHARACTERS + 1);
      texts.forEach(give);
      return true;
    },
  });
  return { exitCode, isCut: state.isCut };
}
